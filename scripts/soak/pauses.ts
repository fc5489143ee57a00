import type { Pause, Told } from '../../test/faults/history.ts'

/** From when to when a worker was at an attempt, and would have been heard. */
export interface Span {
  from: number
  until: number
}

/** So long after a pause its workers are heard again, on a busy machine too. */
const AFTER_MS = 6_000

/** The key of an attempt in {@link lostToPauses}. */
export function attemptKey(jobId: string, attempt: number | null): string {
  return `${jobId} ${attempt}`
}

/** The attempts that were given up though their workers were there: only the coordinator was not. A sentence each. */
export function lostToPauses(
  log: readonly Told[],
  pauses: readonly Pause[],
  working: ReadonlyMap<string, Span>,
): string[] {
  return log
    .filter(({ from, reason }) => from === 'processing' && reason === 'worker_lost')
    .filter(({ jobId, attempt, at }) => {
      const span = working.get(attemptKey(jobId, attempt))
      return pauses.some(
        ({ from, until }) =>
          span !== undefined &&
          span.from < from &&
          span.until > until &&
          at >= from &&
          at <= until + AFTER_MS,
      )
    })
    .map(({ jobId, attempt }) => `Job ${jobId} was lost to a pause (attempt ${attempt}).`)
}
