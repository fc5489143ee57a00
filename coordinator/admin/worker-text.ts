import type { WorkerAnswer } from '../../shared/wire-answers.ts'
import { PRESENT } from '../leases/workers.ts'
import { ago, table } from './table.ts'

/** Workers as a table; `now` in ms. */
export function workerTable(workers: readonly WorkerAnswer[], now: number): string {
  if (workers.length === 0) return 'No workers.\n'
  const headings = ['ID', 'STATE', 'SEEN', 'JOBS', 'SLOTS', 'TYPES', 'VERSION', 'DEVICE']
  const rows = workers.map((one) => [
    one.workerId,
    stateOf(one, now),
    `${ago(one.lastSeenAt, now)} ago`,
    String(one.jobs.length),
    String(one.slots - one.paused.length),
    one.contentTypes.join(','),
    one.version ?? '-',
    one.device ?? '-',
  ])
  return table(headings, rows)
}

/** Whether a worker's silence is so long that the coordinator no longer counts on it. */
export function isLost({ lastSeenAt }: WorkerAnswer, now: number): boolean {
  return now - lastSeenAt > PRESENT
}

function stateOf(worker: WorkerAnswer, now: number): string {
  const { directive, setAside, state } = worker
  if (isLost(worker, now)) return 'lost'
  if (setAside !== null) return 'set aside'
  return directive === 'run' ? (state ?? 'polling') : directive
}
