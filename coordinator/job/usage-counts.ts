import { SECOND } from '../../shared/duration.ts'
import { workMs, type Job } from './job.ts'

/** What jobs have used. Durations are whole milliseconds, so that sums are exact. */
export interface Counts {
  jobs: number
  completed: number
  /** Also those that timed out. */
  failed: number
  cancelled: number
  /** Length of the recordings, as far as agents have reported it; not of jobs that failed. */
  mediaMs: number
  /** How long agents worked, over all attempts that have ended. */
  workMs: number
}

export const NOTHING: Counts = {
  jobs: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  mediaMs: 0,
  workMs: 0,
}

/** What a job has used so far: a function of its record alone. */
export function countsOf(job: Job): Counts {
  const { status, attempts, earlierWorkMs = 0 } = job
  const isFailed = status === 'failed' || status === 'timeout'
  return {
    jobs: 1,
    completed: status === 'completed' ? 1 : 0,
    failed: isFailed ? 1 : 0,
    cancelled: status === 'cancelled' ? 1 : 0,
    mediaMs: isFailed ? 0 : Math.round((mediaSecondsOf(job) ?? 0) * SECOND),
    workMs: Math.round(earlierWorkMs + workMs(attempts)),
  }
}

/** As the result has it, else as the newest attempt that knew it. */
export function mediaSecondsOf(job: Job): number | null {
  const stated = job.status === 'completed' ? job.result : job.status === 'processing' && job.lease
  const ofAttempt = (): number | undefined =>
    job.attempts.findLast(({ mediaSeconds }) => mediaSeconds !== undefined)?.mediaSeconds
  return (stated === false ? null : stated.mediaSeconds) ?? ofAttempt() ?? null
}

/** Of two; the difference with the sign -1. */
export function sumOf(a: Counts, b: Counts, sign: 1 | -1 = 1): Counts {
  return {
    jobs: a.jobs + sign * b.jobs,
    completed: a.completed + sign * b.completed,
    failed: a.failed + sign * b.failed,
    cancelled: a.cancelled + sign * b.cancelled,
    mediaMs: a.mediaMs + sign * b.mediaMs,
    workMs: a.workMs + sign * b.workMs,
  }
}
