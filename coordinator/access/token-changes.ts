import { AppError } from '../../shared/errors.ts'
import type { Term } from '../../shared/vocabulary.ts'
import type { Quota } from '../usage/quotas.ts'
import { API_KEY_NAME, unauthorized } from './principal.ts'
import type { Role } from './roles.ts'
import { stateOf, type Records, type TokenRecord } from './token-record.ts'
import { TOKEN_PREFIX } from './token-text.ts'

const NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N} ._@:+-]{0,98}[\p{L}\p{N}])?$/u

const NO_QUOTA: Quota = { maxJobs: null, maxMediaHoursPerDay: null }

export interface TokenWish {
  role: Role
  name: string
  types: readonly string[] | null
  /** Milliseconds; null: valid until revoked. */
  lifeMs: number | null
  quota?: Partial<Quota>
}

/** A token's new secret, as its digest (hex), and its id. */
export interface Issued {
  id: string
  sha256: string
}

/** Adds a token. @throws {AppError} `usage`; `conflict` for a name in use. */
export function withToken(
  tokens: Records,
  wish: TokenWish,
  { id, sha256 }: Issued,
  now: number,
): Records {
  checkWish(wish)
  const { name, role, types, lifeMs } = wish
  if (tokens.some((one) => one.name === name && isInUse(one, now))) {
    const message = `There is a token named ${name} already: choose another name, or revoke that one first.`
    throw new AppError('conflict', message)
  }
  const made: TokenRecord = {
    id,
    name,
    role,
    types: types === null ? null : [...types],
    sha256,
    previous: null,
    createdAt: now,
    issuedAt: now,
    expiresAt: lifeMs === null ? null : now + lifeMs,
    revokedAt: null,
    usedAt: null,
    vocabulary: [],
    quota: { ...NO_QUOTA, ...wish.quota },
  }
  return [...tokens, made]
}

/** Gives a token a vocabulary in place of the one before. */
export function withVocabulary(
  tokens: Records,
  { id }: TokenRecord,
  vocabulary: readonly Term[],
): Records {
  return replaced(tokens, id, (one) => ({ ...one, vocabulary: [...vocabulary] }))
}

/** Changes a token's quota. @throws {AppError} `usage` for a token that cannot submit. */
export function withQuota(
  tokens: Records,
  { id, role }: TokenRecord,
  quota: Partial<Quota>,
): Records {
  checkQuota(role, quota)
  return replaced(tokens, id, (one) => ({ ...one, quota: { ...one.quota, ...quota } }))
}

/** Revokes a token; its record stays. */
export function withRevoked(tokens: Records, { id }: TokenRecord, now: number): Records {
  const change = (one: TokenRecord): TokenRecord => {
    return { ...one, previous: null, revokedAt: one.revokedAt ?? now }
  }
  return replaced(tokens, id, change)
}

/**
 * Gives a token a new secret, and the same lifetime again.
 * @param keepOldMs how long the old secret stays valid.
 * @throws {AppError} `conflict` when it was revoked or used.
 */
export function withRotated(
  tokens: Records,
  found: TokenRecord,
  sha256: string,
  keepOldMs: number,
  now: number,
): Records {
  const state = stateOf(found, now)
  if (state === 'revoked' || state === 'used') {
    throw new AppError('conflict', `The token ${found.name} is ${state}: create a new one.`)
  }
  return replaced(tokens, found.id, (one) => ({
    ...one,
    sha256,
    previous:
      keepOldMs > 0 && state === 'active'
        ? { sha256: one.sha256, untilAt: Math.min(now + keepOldMs, one.expiresAt ?? Infinity) }
        : null,
    issuedAt: now,
    expiresAt: one.expiresAt === null ? null : now + (one.expiresAt - one.issuedAt),
  }))
}

/** Exchanges a one-time token for a worker's. @throws {AppError} `unauthorized`; as {@link withToken}. */
export function withRegistered(
  tokens: Records,
  onceId: string,
  name: string,
  issued: Issued,
  now: number,
): Records {
  const once = tokens.find(({ id }) => id === onceId)
  if (once?.role !== 'register' || stateOf(once, now) !== 'active') {
    throw unauthorized()
  }
  const rest = replaced(tokens, onceId, (one) => ({ ...one, usedAt: now }))
  return withToken(rest, { role: 'worker', name, types: once.types, lifeMs: null }, issued, now)
}

/** Finds a token by name (the one in use, else the newest) or by id. @throws {AppError} `not_found` */
export function findToken(tokens: Records, nameOrId: string, now: number): TokenRecord {
  const named = tokens.filter(({ name }) => name === nameOrId)
  const found =
    named.find((one) => isInUse(one, now)) ??
    named.at(-1) ??
    tokens.find(({ id }) => id === nameOrId)
  if (found === undefined) {
    throw new AppError('not_found', 'There is no such token: `token list` shows which there are.')
  }
  return found
}

/** Whether a token holds its name: also when expired, since a rotation revives it. */
function isInUse(one: TokenRecord, now: number): boolean {
  const state = stateOf(one, now)
  return state === 'active' || state === 'expired'
}

function checkQuota(role: Role, quota: Partial<Quota>): void {
  const isLimited = Object.values(quota).some((most) => most !== null)
  if (!isLimited || role === 'submit' || role === 'admin') return
  throw new AppError(
    'usage',
    `Only a token for submit or admin can have a quota, not one for ${role}.`,
  )
}

function checkWish({ name, role, types, quota = {} }: TokenWish): void {
  checkQuota(role, quota)
  const isTaken = name === API_KEY_NAME || name.startsWith(TOKEN_PREFIX) || name.startsWith('t_')
  if (!NAME.test(name) || isTaken) {
    const message = `A token cannot be named that: use up to 100 letters, digits and ._@:+- between them, not '${API_KEY_NAME}', and nothing that looks like a token or its id.`
    throw new AppError('usage', message)
  }
  if (types !== null && role !== 'worker' && role !== 'register') {
    throw new AppError('usage', `Only a worker's token can be held to types, not one for ${role}.`)
  }
}

function replaced(tokens: Records, id: string, change: (one: TokenRecord) => TokenRecord): Records {
  return tokens.map((one) => (one.id === id ? change(one) : one))
}
