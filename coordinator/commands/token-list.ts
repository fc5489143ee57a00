import { toWire } from '../../shared/keys.ts'
import { stateOf, type TokenRecord } from '../access/token-record.ts'
import { readTokenUse } from '../access/token-use.ts'
import { table } from '../admin/table.ts'

const HEADINGS = ['NAME', 'ROLE', 'TYPES', 'STATE', 'CREATED', 'EXPIRES', 'LAST USED', 'ID']

export function tokensAsJson(tokens: readonly TokenRecord[], dataDir: string, now: number): string {
  return `${JSON.stringify(toWire(listed(tokens, dataDir, now)), null, 2)}\n`
}

export function tokensAsTable(
  tokens: readonly TokenRecord[],
  dataDir: string,
  now: number,
): string {
  if (tokens.length === 0) return 'No tokens. Create one with morag-coordinator token create.\n'
  const rows = listed(tokens, dataDir, now).map((one) => [
    one.name,
    one.role,
    one.types?.join(',') ?? '-',
    one.state,
    minuteOf(one.createdAt),
    minuteOf(one.expiresAt),
    minuteOf(one.lastUsedAt),
    one.id,
  ])
  return table(HEADINGS, rows)
}

/** Tokens without their hashes. */
function listed(tokens: readonly TokenRecord[], dataDir: string, now: number) {
  const uses = readTokenUse(dataDir)
  return tokens.map((one) => {
    const { id, name, role, types, createdAt, expiresAt, revokedAt } = one
    const lastUsedAt = uses.get(id) ?? null
    const state = stateOf(one, now)
    return { id, name, role, types, state, createdAt, expiresAt, revokedAt, lastUsedAt }
  })
}

/** `2026-01-02 12:00 UTC` */
function minuteOf(at: number | null): string {
  if (at === null) return 'never'
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
