import { toWire } from '../../shared/keys.ts'
import { stateOf, type TokenRecord, type TokenState } from '../access/token-record.ts'
import { readTokenUse } from '../access/token-use.ts'

/** A token as it may be shown: nothing that opens a door. */
type Shown = Pick<
  TokenRecord,
  'id' | 'name' | 'role' | 'types' | 'createdAt' | 'expiresAt' | 'revokedAt'
> & { state: TokenState; lastUsedAt: number | null }

export function tokensAsJson(tokens: readonly TokenRecord[], dataDir: string, now: number): string {
  return `${JSON.stringify(toWire(shown(tokens, dataDir, now)), null, 2)}\n`
}

/** For people: a line for each, in columns. */
export function tokensAsTable(
  tokens: readonly TokenRecord[],
  dataDir: string,
  now: number,
): string {
  const head = ['NAME', 'ROLE', 'TYPES', 'STATE', 'CREATED', 'EXPIRES', 'LAST USED', 'ID']
  const rows = shown(tokens, dataDir, now).map((one) => [
    one.name,
    one.role,
    one.types?.join(',') ?? '',
    one.state,
    instant(one.createdAt, ''),
    instant(one.expiresAt, 'never'),
    instant(one.lastUsedAt, 'never'),
    one.id,
  ])
  if (rows.length === 0)
    return 'There are no tokens: make one with morag-coordinator token create.\n'
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]!.length)))
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function shown(tokens: readonly TokenRecord[], dataDir: string, now: number): Shown[] {
  const uses = readTokenUse(dataDir)
  return tokens.map((one) => {
    const { id, name, role, types, createdAt, expiresAt, revokedAt } = one
    const lastUsedAt = uses.get(id) ?? null
    const state = stateOf(one, now)
    return { id, name, role, types, state, createdAt, expiresAt, revokedAt, lastUsedAt }
  })
}

/** `2026-01-02 12:00 UTC` */
function instant(at: number | null, otherwise: string): string {
  if (at === null) return otherwise
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
