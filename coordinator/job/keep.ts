import { DAY } from '../../shared/duration.ts'
import { nextDueAt } from './continuation.ts'
import type { EndedJob } from './job.ts'

/** So long what follows an end is waited for: a receiver that takes nothing, or not as fast as jobs end, would fill the disk. */
const MOST_WAIT_MS = 7 * DAY

/**
 * Until when an ended job stays that is kept for `keepMs`: counted from its end and from the last try of what follows it.
 * While a step of that is still to be tried it stays for a week, however short it is kept.
 */
export function keptUntil({ completedAt, continuation }: EndedJob, keepMs: number): number {
  if (continuation === null) return completedAt + keepMs
  const tried = continuation.steps.map(({ lastAt }) => lastAt).filter((at) => at !== null)
  const isDue = nextDueAt(continuation) !== null
  return Math.max(completedAt, ...tried) + (isDue ? Math.max(keepMs, MOST_WAIT_MS) : keepMs)
}
