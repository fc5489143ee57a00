import type { Registry } from 'prom-client'
import { SECOND } from '../../shared/duration.ts'
import type { JobTable } from '../storage/job-table.ts'
import { gauge } from './gauge.ts'

/** Metrics of jobs that are kept in files. */
export function gaugeFiles(
  registry: Registry,
  table: Pick<
    JobTable,
    'failure' | 'foldersBehind' | 'folderLagMs' | 'journalBytes' | 'quarantined'
  >,
): void {
  const simple: [name: string, help: string, read: () => number][] = [
    [
      'morag_journal_failing',
      '1: no change can be taken until a restart.',
      () => Number(table.failure !== null),
    ],
    [
      'morag_folders_behind',
      '1: the status folders or the journal lag behind.',
      () => Number(table.foldersBehind !== null),
    ],
    [
      'morag_folders_lag_seconds',
      'Age of the oldest change that the folders or a cut of the journal wait for.',
      () => table.folderLagMs / SECOND,
    ],
    ['morag_journal_bytes', 'Length of the journal, both segments.', () => table.journalBytes],
    ['morag_quarantined_files', 'Files quarantined at the start.', () => table.quarantined.length],
  ]
  for (const [name, help, read] of simple) gauge(registry, { name, help, read })
}
