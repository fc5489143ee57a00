import { z } from 'zod'
import { fromWire, toWire, type FromWire } from '../../shared/keys.ts'
import type { Term } from '../../shared/vocabulary.ts'
import { instant, stored } from '../job/fields.ts'
import { ROLES } from './roles.ts'

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in hex')

const token = stored({
  id: z.string().regex(/^t_[0-9a-f]{16}$/, 'not a token id'),
  name: z.string().min(1),
  role: z.enum(ROLES),
  /** Content types that a worker may claim; null: all. */
  types: z.array(z.string()).min(1).nullable().default(null),
  sha256: digest,
  /** The secret before the last rotation, and its end. */
  previous: z.object({ sha256: digest, until_at: instant }).nullable().default(null),
  created_at: instant,
  /** When the secret was created or rotated. */
  issued_at: instant,
  expires_at: instant.nullable().default(null),
  revoked_at: instant.nullable().default(null),
  /** When a `register` token was exchanged. */
  used_at: instant.nullable().default(null),
  /** Of the jobs that are submitted with it. */
  vocabulary: z.array(z.custom<Term>()).default([]),
  quota: stored({
    max_jobs: z.int().min(1).nullable().default(null),
    max_media_hours_per_day: z.number().positive().nullable().default(null),
  }).default({ max_jobs: null, max_media_hours_per_day: null }),
})

const file = z.object({ tokens: z.array(token) })

/** A token's record; the token itself is not stored. */
export type TokenRecord = FromWire<z.output<typeof token>>
export type Records = readonly TokenRecord[]

export type TokenState = 'active' | 'expired' | 'revoked' | 'used'

/** @throws {Error} for a text that {@link formatTokens} did not write. */
export function parseTokens(text: string): TokenRecord[] {
  return fromWire(file.parse(JSON.parse(text))).tokens
}

export function formatTokens(tokens: readonly TokenRecord[]): string {
  return `${JSON.stringify(toWire({ tokens }), null, 2)}\n`
}

/** One of them, as JSON. */
export function formatToken(record: TokenRecord): string {
  return JSON.stringify(toWire(record))
}

/** @throws {Error} for a text that {@link formatToken} did not write. */
export function parseToken(text: string): TokenRecord {
  return fromWire(token.parse(JSON.parse(text)))
}

export function stateOf({ revokedAt, usedAt, expiresAt }: TokenRecord, now: number): TokenState {
  if (revokedAt !== null) return 'revoked'
  if (usedAt !== null) return 'used'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'active'
}
