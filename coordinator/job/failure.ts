import { isRetryableCode } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/wire.ts'
import { isOfTheFallback, leftToWorkers } from './fallback-failure.ts'
import { held } from './held.ts'
import { isOfTheHost, leftToOthers } from './host-failure.ts'
import {
  endAttempt,
  ended,
  lastAttempt,
  pendingAgain,
  type Job,
  type JobEvent,
  type ProcessingJob,
} from './job.ts'
import { backoffMs, type Context } from './policy.ts'

/** The job after its worker has said that it failed. */
export function fail(job: Job, event: JobEvent & { type: 'fail' }, context: Context): Job {
  // A worker that did not get our answer says it again.
  const last = lastAttempt(job)
  if (job.status !== 'processing' && last?.number === event.attempt) {
    const { outcome, errorCode } = last
    if (outcome === 'failed' || (outcome === 'released' && errorCode !== null)) return job
  }
  const current = held(job, event.attempt)
  if (isOfTheFallback(current, event)) return leftToWorkers(current, event, context)
  if (isOfTheWorker(event.code) && last?.ability !== null) {
    const attempts = endAttempt(current, 'released', context.now, event)
    return pendingAgain(current, attempts, context.now)
  }
  if (isOfTheHost(current, event)) return leftToOthers(current, event, context)
  if (isInGrace(current, event))
    return pendingAgain(current, endAttempt(current, 'failed', context.now, event), context.now)
  return failed(current, 'failed', event, context)
}

/** What says that this worker cannot do a job, and others may: it goes back, and to none again that is like it. */
function isOfTheWorker(code: string): boolean {
  return code === 'unsupported_language' || code === 'unsupported_type'
}

/** Whether a failure may only say that its worker met a coordinator that was away. */
function isInGrace({ lease }: ProcessingJob, { retryable }: { retryable: boolean }): boolean {
  return lease.graceUntilAt !== null && retryable
}

/** The job after a failed attempt: back in the queue while it has tries left. */
export function failed(
  job: ProcessingJob,
  outcome: Outcome,
  error: { code: string; message: string; retryable: boolean },
  { now, random }: Context,
): Job {
  const attempts = endAttempt(job, outcome, now, error)
  const again = error.retryable && isRetryableCode(error.code) && job.retryCount < job.maxRetries
  if (!again)
    return ended(job, 'failed', attempts, now, { code: error.code, message: error.message })
  const retryCount = job.retryCount + 1
  return { ...pendingAgain(job, attempts, now + backoffMs(retryCount, random)), retryCount }
}
