import { HOUR, SECOND } from '../../shared/duration.ts'
import type { UsageRow } from '../../shared/wire-usage.ts'
import { table } from './table.ts'

/** Usage as a table. */
export function usageTable(rows: readonly UsageRow[]): string {
  if (rows.length === 0) return 'No jobs in these days.\n'
  const hours = (seconds: number): string => ((seconds * SECOND) / HOUR).toFixed(2)
  const head = ['TOKEN', 'JOBS', 'COMPLETED', 'FAILED', 'CANCELLED', 'MEDIA HOURS', 'WORK HOURS']
  const days = rows.some(({ day }) => day !== null)
  const cells = rows.map((row) => [
    ...(days ? [row.day ?? ''] : []),
    row.name ?? row.tokenId ?? '',
    ...[row.jobs, row.completed, row.failed, row.cancelled].map(String),
    hours(row.mediaSeconds),
    hours(row.workSeconds),
  ])
  return table(days ? ['DAY', ...head] : head, cells)
}
