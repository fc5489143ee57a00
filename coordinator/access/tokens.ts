import { randomBytes } from 'node:crypto'
import type { Term } from '../../shared/vocabulary.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { Quota } from '../usage/quotas.ts'
import type { Principal } from './principal.ts'
import {
  findToken,
  withRegistered,
  withRevoked,
  withRotated,
  withToken,
  withVocabulary,
  withQuota,
  type Issued,
  type TokenWish,
} from './token-changes.ts'
import { stateOf, type Records, type TokenRecord } from './token-record.ts'
import type { TokenStore } from './token-store.ts'
import { digestOf, newToken } from './token-text.ts'

/** A new token, with its text, which is not stored. */
export interface NewToken {
  token: string
  record: TokenRecord
}

/** What a secret is good for, and until when. */
interface Secret {
  record: TokenRecord
  untilAt: number
}

/** The tokens. Changes of other processes apply as soon as their store knows of them: with files, to the next call. */
export class Tokens {
  readonly #store: TokenStore
  readonly #now: () => number
  readonly #turns = new KeyedMutex()
  /** The source of the maps. */
  #read: Records = []
  #bySha256: ReadonlyMap<string, Secret> = new Map()
  #byId: ReadonlyMap<string, TokenRecord> = new Map()

  constructor(store: TokenStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** All tokens, also revoked ones. @throws {AppError} `unavailable`, as all methods, when they cannot be read. */
  all(): Records {
    return this.#store.get()
  }

  /**
   * The holder of a token, or null. Found by its digest, which a caller cannot choose: how long the search takes says
   * nothing about a token.
   */
  holderOf(text: string): Principal | null {
    const sha256 = hexOf(text)
    this.#refresh()
    const holder = this.#activeOf(sha256)
    if (holder === null) return null
    const { role, id, name, types, quota } = holder
    return { role, tokenId: id, sha256, name, types, quota }
  }

  /** Whether a token is still valid in the text that its holder sent. */
  isGood(principal: Principal): boolean {
    return this.areGood()(principal)
  }

  /** {@link isGood} of many, by one look at the file. */
  areGood(): (principal: Principal) => boolean {
    this.#refresh()
    return ({ tokenId, sha256 }) => sha256 !== undefined && this.#activeOf(sha256)?.id === tokenId
  }

  /** @throws {AppError} `not_found` */
  find(nameOrId: string): TokenRecord {
    return findToken(this.#store.get(), nameOrId, this.#now())
  }

  /** Undefined for an unknown token, or when they cannot be read. */
  nameOf(tokenId: string): string | undefined {
    return this.#recordOf(tokenId)?.name
  }

  /** Empty for an unknown token, or when they cannot be read. */
  vocabularyOf(tokenId: string): readonly Term[] {
    return this.#recordOf(tokenId)?.vocabulary ?? []
  }

  /** @throws {AppError} `usage`, `conflict`. */
  async create(wish: TokenWish): Promise<NewToken> {
    return await this.#issue((tokens, issued, now) => withToken(tokens, wish, issued, now))
  }

  /** Exchanges a one-time token. @throws {AppError} `unauthorized`, `usage`, `conflict`. */
  async register(onceId: string, name: string): Promise<NewToken> {
    return await this.#issue((tokens, issued, now) =>
      withRegistered(tokens, onceId, name, issued, now),
    )
  }

  /** @throws {AppError} `not_found`, `conflict`. */
  async rotate(nameOrId: string, keepOldMs: number): Promise<NewToken> {
    const token = newToken()
    const record = await this.#change(nameOrId, (tokens, found, now) =>
      withRotated(tokens, found, hexOf(token), keepOldMs, now),
    )
    return { token, record }
  }

  /** @throws {AppError} `not_found` */
  async setVocabulary(nameOrId: string, terms: readonly Term[]): Promise<TokenRecord> {
    return await this.#change(nameOrId, (tokens, found) => withVocabulary(tokens, found, terms))
  }

  /** Changes what is given. @throws {AppError} `not_found`, `usage`. */
  async setQuota(nameOrId: string, quota: Partial<Quota>): Promise<TokenRecord> {
    return await this.#change(nameOrId, (tokens, found) => withQuota(tokens, found, quota))
  }

  /** @throws {AppError} `not_found` */
  async revoke(nameOrId: string): Promise<TokenRecord> {
    return await this.#change(nameOrId, withRevoked)
  }

  #recordOf(tokenId: string): TokenRecord | undefined {
    try {
      this.#refresh()
      return this.#byId.get(tokenId)
    } catch {
      return undefined
    }
  }

  #activeOf(sha256: string): TokenRecord | null {
    const now = this.#now()
    const { record, untilAt = 0 } = this.#bySha256.get(sha256) ?? {}
    return record !== undefined && now < untilAt && stateOf(record, now) === 'active'
      ? record
      : null
  }

  #refresh(): void {
    const tokens = this.#store.get()
    if (tokens === this.#read) return
    this.#read = tokens
    this.#bySha256 = new Map(tokens.flatMap(secretsOf))
    this.#byId = new Map(tokens.map((record) => [record.id, record]))
  }

  async #issue(
    change: (tokens: Records, issued: Issued, now: number) => Records,
  ): Promise<NewToken> {
    const token = newToken()
    const issued = { id: `t_${randomBytes(8).toString('hex')}`, sha256: hexOf(token) }
    const after = await this.#write((tokens) => change(tokens, issued, this.#now()))
    return { token, record: after.find(({ id }) => id === issued.id)! }
  }

  async #change(
    nameOrId: string,
    change: (tokens: Records, found: TokenRecord, now: number) => Records,
  ): Promise<TokenRecord> {
    let changed = ''
    const after = await this.#write((tokens) => {
      const found = findToken(tokens, nameOrId, this.#now())
      changed = found.id
      return change(tokens, found, this.#now())
    })
    return after.find(({ id }) => id === changed)!
  }

  /** Serialises this process's changes; the store's lock is for other processes. */
  async #write(change: (tokens: Records) => Records): Promise<Records> {
    return await this.#turns.take('tokens', async () => await this.#store.change(change))
  }
}

function hexOf(token: string): string {
  return digestOf(token).toString('hex')
}

/** The secrets of a token that may be valid, by SHA-256. */
function secretsOf(record: TokenRecord): [string, Secret][] {
  const { sha256, previous, revokedAt, usedAt } = record
  if (revokedAt !== null || usedAt !== null) return []
  const current: [string, Secret] = [sha256, { record, untilAt: Infinity }]
  return previous === null
    ? [current]
    : [current, [previous.sha256, { record, untilAt: previous.untilAt }]]
}
