import { lastAttempt, type Attempt, type Job } from './job.ts'

/** A token's name; undefined when nobody knows it. */
export type TokenName = (tokenId: string) => string | undefined

/**
 * A change of a job as the log tells it: with the attempt that it is about, and why that or the job has ended. Submitter
 * and worker go by the names of their tokens, where they have any; `worker_id` is what the worker says of itself.
 */
export function transitionFacts(
  before: Job | null,
  after: Job | null,
  tokenName: TokenName,
): object {
  const job = after ?? before!
  const nameOf = (id: string | null | undefined): string | undefined =>
    typeof id === 'string' ? tokenName(id) : undefined
  const attempt = attemptOf(job)
  const ended = before !== null && attempt !== undefined && hasEndedIt(before, attempt)
  return {
    job_id: job.jobId,
    content_type: job.contentType,
    submitter: nameOf(job.submittedBy),
    from: before?.status,
    attempt: attempt?.number,
    worker_id: attempt?.workerId,
    worker: nameOf(attempt?.tokenId),
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
