import { endedBetween, lastAttempt, type Attempt, type Job } from './job.ts'

/** A token's name, if the token is known. */
export type TokenName = (tokenId: string) => string | undefined

/**
 * The log fields of a change: the attempt concerned, and why it or the job ended. `worker_id` is what the worker calls
 * itself; `submitter` and `worker` are names of tokens.
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
  const ended =
    attempt !== undefined && before !== null && endedBetween(before, job).includes(attempt)
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

/** A late success comes from an attempt that is not the newest. */
function attemptOf(job: Job): Attempt | undefined {
  const delivered =
    job.status === 'completed' ? job.attempts.find(({ outcome }) => outcome === 'completed') : null
  return delivered ?? lastAttempt(job)
}

/** The error of a job that ended without an attempt at fault. */
function errorOf(before: Job | null, after: Job | null): string | undefined {
  if (before === null || after === null) return undefined
  return 'error' in after && !('error' in before) ? after.error.code : undefined
}
