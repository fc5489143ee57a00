import { isHostCode, isRetryableCode } from '../../shared/errors.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import type { Outcome } from '../../shared/wire.ts'
import {
  endAttempt,
  ended,
  heldJob,
  lastAttempt,
  pendingAgain,
  type Attempt,
  type Job,
  type JobEvent,
  type PendingJob,
  type ProcessingJob,
} from './job.ts'
import { backoffMs, type Context } from './policy.ts'

interface Failure {
  code: string
  message: string
  retryable: boolean
}

/** Faults of the file or of the request: no worker could do better. */
const FILE_CODES = ['invalid', 'invalid_media', 'no_audio', 'source_missing', 'source_changed']
/** This worker cannot do the job, another may. */
const WORKER_CODES = ['unsupported_language', 'unsupported_type']
/** With the pauses between them they take a night; a job that meets more of them is itself the cause. */
const MAX_HOST_FAILURES = 40

/** The job after its worker reported a failure. */
export function fail(job: Job, event: JobEvent & { type: 'fail' }, context: Context): Job {
  // A worker that did not get the answer reports again.
  const last = lastAttempt(job)
  if (job.status !== 'processing' && last?.number === event.attempt) {
    const { outcome, errorCode } = last
    if (outcome === 'failed' || (outcome === 'released' && errorCode !== null)) return job
  }
  const current = heldJob(job, event.attempt)
  const back = (outcome: Outcome): PendingJob =>
    pendingAgain(current, endAttempt(current, outcome, context.now, event), context.now)
  if (isFallbackFailure(current, event)) return afterFallbackFailure(current, event, context)
  if (WORKER_CODES.includes(event.code) && last?.ability !== null) return back('released')
  if (isHostFailure(current, event)) return afterHostFailure(current, event, context)
  // In the grace after a restart a failure may only mean that the worker did not reach the coordinator.
  if (current.lease.graceUntilAt !== null && event.retryable) return back('failed')
  return failed(current, 'failed', event, context)
}

/** The job after a failed attempt: back in the queue while it has tries left. */
export function failed(
  job: ProcessingJob,
  outcome: Outcome,
  error: Failure,
  { now, random }: Context,
): Job {
  const attempts = endAttempt(job, outcome, now, error)
  const again = error.retryable && isRetryableCode(error.code) && job.retryCount < job.maxRetries
  if (!again)
    return ended(job, 'failed', attempts, now, { code: error.code, message: error.message })
  const retryCount = job.retryCount + 1
  return { ...pendingAgain(job, attempts, now + backoffMs(retryCount, random)), retryCount }
}

/** Whether the coordinator itself made the attempt, at a job for workers, and the file is not at fault. */
export function isFallbackFailure(job: Job, { code }: { code: string }): boolean {
  const isFallback = lastAttempt(job)?.workerId === LOCAL_WORKER && job.ingestion?.local !== true
  return isFallback && !FILE_CODES.includes(code)
}

/**
 * Back in the queue with all its tries left: the fallback must not lose a job. The coordinator tries again after a pause,
 * as often as a worker would; after that it leaves the job to workers or to another processor.
 */
export function afterFallbackFailure(
  job: ProcessingJob,
  failure: Failure,
  { now, random }: { now: number; random: number },
): PendingJob {
  const { ability } = lastAttempt(job)!
  const before = job.attempts.filter((one) => one.ability === ability && one.outcome === 'failed')
  const mayPass = failure.retryable && (before.length < job.maxRetries || isHostCode(failure.code))
  if (!mayPass) return pendingAgain(job, endAttempt(job, 'released', now, failure), now)
  const wait = backoffMs(before.length + 1, random)
  return pendingAgain(job, endAttempt(job, 'failed', now, failure), now + wait)
}

/** Whether the machine is at fault: it lacks disk, the engine or the model. */
function isHostFailure(job: ProcessingJob, { code, retryable }: Failure): boolean {
  if (!retryable || !isHostCode(code) || lastAttempt(job)?.leased !== true) return false
  return job.attempts.filter(failedByHost).length < MAX_HOST_FAILURES
}

/** Back in the queue at once, without counting a try; later only for a worker that failed so before. */
function afterHostFailure(
  job: ProcessingJob,
  failure: Failure,
  { now, random }: Context,
): PendingJob {
  const { workerId } = lastAttempt(job)!
  const before = job.attempts.filter((one) => failedByHost(one) && one.workerId === workerId)
  const waitMs = before.length === 0 ? 0 : backoffMs(before.length, random)
  return pendingAgain(job, endAttempt(job, 'failed', now, failure), now + waitMs)
}

function failedByHost({ outcome, errorCode }: Attempt): boolean {
  return outcome === 'failed' && errorCode !== null && isHostCode(errorCode)
}
