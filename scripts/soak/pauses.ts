import type { Pause, LoggedChange } from '../../test/faults/history.ts'

/** From when to when a worker worked on an attempt and sent heartbeats. */
export interface Span {
  from: number
  until: number
}

/** The workers' heartbeats arrive within this time after a pause, on a busy machine too. */
const AFTER_MS = 6_000

/** The key of an attempt in {@link lostToPauses}. */
export function attemptKey(jobId: string, attempt: number | null): string {
  return `${jobId} ${attempt}`
}

/** The attempts that were given up though their workers were there: only the coordinator was not. A sentence each. */
export function lostToPauses(
  log: readonly LoggedChange[],
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
