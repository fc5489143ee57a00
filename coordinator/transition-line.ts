import { lastAttempt, type Attempt, type Job } from './job.ts'

/** A change of a job as the log tells it: with the attempt that it is about, and why that or the job has ended. */
export function transitionFacts(before: Job | null, after: Job | null): object {
  const job = after ?? before!
  const attempt = attemptOf(job)
  const ended = before !== null && attempt !== undefined && hasEndedIt(before, attempt)
  return {
    job_id: job.jobId,
    content_type: job.contentType,
    from: before?.status,
    attempt: attempt?.number,
    worker_id: attempt?.workerId,
    outcome: ended ? attempt.outcome : undefined,
    reason: (ended ? attempt.errorCode : null) ?? errorOf(before, after),
  }
}

/** A success may come late, from an attempt that is not the newest. */
function attemptOf(job: Job): Attempt | undefined {
  const delivered =
    job.status === 'completed' ? job.attempts.find(({ outcome }) => outcome === 'completed') : null
  return delivered ?? lastAttempt(job)
}

/** Whether an attempt was still open, or ended otherwise, before. */
function hasEndedIt(before: Job, { number, outcome }: Attempt): boolean {
  const known = before.attempts.find((one) => one.number === number)
  return outcome !== null && known?.outcome !== outcome
}

/** What a job has ended with that no attempt is to blame for. */
function errorOf(before: Job | null, after: Job | null): string | undefined {
  if (before === null || after === null) return undefined
  return 'error' in after && !('error' in before) ? after.error.code : undefined
}
