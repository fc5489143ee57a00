import { SECOND } from '../../shared/duration.ts'
import type { UsageRow } from '../../shared/wire-usage.ts'
import { API_KEY_NAME } from '../access/principal.ts'
import type { Counts } from '../job/usage-counts.ts'
import type { Day } from './days.ts'

const COLUMNS = [
  'day',
  'tokenId',
  'name',
  'jobs',
  'completed',
  'failed',
  'cancelled',
  'mediaSeconds',
  'workSeconds',
] as const satisfies readonly (keyof UsageRow)[]
export const CSV_HEAD =
  'day,token_id,name,jobs,completed,failed,cancelled,media_seconds,work_seconds\r\n'

/** Counts as rows, by the names of their tokens. */
export function rowsOf(
  day: Day | null,
  tokens: Iterable<[string | null, Counts]>,
  names: ReadonlyMap<string, string>,
): UsageRow[] {
  const rows = [...tokens].map(([tokenId, { mediaMs, workMs, ...counts }]) => ({
    day,
    tokenId,
    name: tokenId === null ? API_KEY_NAME : (names.get(tokenId) ?? null),
    ...counts,
    mediaSeconds: mediaMs / SECOND,
    workSeconds: workMs / SECOND,
  }))
  const key = ({ name, tokenId }: UsageRow): string => name ?? tokenId ?? ''
  return rows.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** Lines of CSV (RFC 4180), without {@link CSV_HEAD}. */
export function csvOf(rows: readonly UsageRow[]): string {
  const line = (row: UsageRow): string => COLUMNS.map((name) => cellOf(row[name])).join(',')
  return rows.map((row) => `${line(row)}\r\n`).join('')
}

function cellOf(value: string | number | null): string {
  const text = String(value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
