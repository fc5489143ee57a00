import { MINUTE } from '../../shared/duration.ts'
import { AppError, isRetryableCode } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/wire.ts'
import { isOfTheHost, leftToOthers } from './host-failure.ts'
import {
  baseOf,
  endAttempt,
  ended,
  pendingAgain,
  lastAttempt,
  openAtOf,
  MAX_ATTEMPTS_KEPT,
  type Attempt,
  type Beat,
  type Job,
  type JobEvent,
  type ProcessingJob,
  type Result,
} from './job.ts'
import { deadlineOf, newLease, renewedLease } from './lease.ts'
import { backoffMs, type Policy } from './policy.ts'

const RESERVATION = 10 * MINUTE

/** Time, chance (0 ≤ random < 1) and rules come in: the machine touches no clock. */
export interface Context {
  now: number
  random: number
  policy: Policy
}

/**
 * The job after an event; the very same object when the event changes nothing.
 * @throws {AppError} `conflict` when the state does not allow it, `lease_lost` when the attempt is not the current one.
 */
export function transition(job: Job, event: JobEvent, context: Context): Job {
  switch (event.type) {
    case 'claim':
      return claim(job, event, context)
    case 'heartbeat':
      return heartbeat(job, event.attempt, event.beat, context)
    case 'succeed':
      return succeed(job, event.attempt, event.result, context)
    case 'fail':
      return fail(job, event, context)
    case 'release':
      return release(job, event.attempt, context)
    case 'take_back':
      return takeBack(job, event.attempt, context)
    case 'lease_expired':
      return leaseExpired(job, context)
    case 'deadline_passed':
      return deadlinePassed(job, context)
    case 'cancel':
      return cancel(job, context)
    case 'retry':
      return retry(job, event.reserveFor, context)
  }
}

function claim(
  job: Job,
  event: JobEvent & { type: 'claim' },
  { now, policy }: Context,
): ProcessingJob {
  if (job.status !== 'pending') throw conflict(job, 'claim')
  const heldForAnother =
    job.reserved !== null && job.reserved.untilAt > now && job.reserved.workerId !== event.workerId
  if (job.availableAt > now || heldForAnother) {
    throw new AppError('conflict', `Job ${job.jobId} is not available yet.`)
  }
  const { availableAt: _, reserved: __, ...base } = job
  const attempt: Attempt = {
    number: (lastAttempt(job)?.number ?? 0) + 1,
    workerId: event.workerId,
    tokenId: event.tokenId ?? null,
    leased: event.leased,
    startedAt: now,
    endedAt: null,
    outcome: null,
    errorCode: null,
    errorMessage: null,
    ability: event.ability ?? null,
  }
  const lease = newLease(job, event, { now, policy })
  return {
    ...base,
    status: 'processing',
    lease,
    attempts: [...job.attempts, attempt].slice(-MAX_ATTEMPTS_KEPT),
  }
}

function heartbeat(job: Job, number: number, beat: Beat, context: Context): Job {
  const current = held(job, number)
  const lease = renewedLease(current, beat, context)
  const { movedAt } = lease
  if (context.now - movedAt >= context.policy.stallMs) {
    const message = `The worker is alive but its work has not moved since ${new Date(movedAt).toISOString()}.`
    return failed(current, 'failed', { code: 'stalled', message, retryable: true }, context)
  }
  return { ...current, lease }
}

function succeed(job: Job, number: number, result: Result, { now }: Context): Job {
  if (job.status === 'completed') {
    if (job.result.digest === result.digest) return job
    throw new AppError('conflict', `Job ${job.jobId} is completed already, with another result.`)
  }
  if (job.status === 'cancelled') throw leaseLost(job, number)
  // A success is real work, also when it comes late from an attempt that was given up: it is taken, and a newer attempt
  // that still runs is told to stop.
  const ended = endAttempt(job, 'superseded', now)
  const attempts = ended.map((one) =>
    one.number === number
      ? { ...one, endedAt: now, outcome: 'completed' as const, errorCode: null, errorMessage: null }
      : one,
  )
  return {
    ...baseOf(job),
    attempts,
    status: 'completed',
    completedAt: now,
    result,
    continuation: null,
  }
}

function fail(job: Job, event: JobEvent & { type: 'fail' }, context: Context): Job {
  // A worker that did not get our answer says it again.
  const last = lastAttempt(job)
  if (job.status !== 'processing' && last?.number === event.attempt) {
    const { outcome, errorCode } = last
    if (outcome === 'failed' || (outcome === 'released' && errorCode !== null)) return job
  }
  const current = held(job, event.attempt)
  if (isOfTheWorker(event.code) && last?.ability !== null) {
    const attempts = endAttempt(current, 'released', context.now, event)
    return pendingAgain(current, attempts, context.now)
  }
  if (isOfTheHost(current, event)) return leftToOthers(current, event, context)
  return failed(current, 'failed', event, context)
}

/** What says that this worker cannot do a job, and others may: it goes back, and to none again that is like it. */
function isOfTheWorker(code: string): boolean {
  return code === 'unsupported_language'
}

function release(job: Job, number: number, { now }: Context): Job {
  if (
    job.status === 'pending' &&
    lastAttempt(job)?.number === number &&
    lastAttempt(job)?.outcome === 'released'
  )
    return job
  const current = held(job, number)
  return pendingAgain(current, endAttempt(current, 'released', now), now)
}

function takeBack(job: Job, number: number, { now }: Context): Job {
  const isWaiting =
    job.status === 'processing' &&
    lastAttempt(job)?.number === number &&
    job.lease.waitingSinceAt !== null
  return isWaiting ? pendingAgain(job, endAttempt(job, 'reassigned', now), now) : job
}

function leaseExpired(job: Job, context: Context): Job {
  // A worker of the original protocol has no lease, only the deadline.
  if (job.status !== 'processing' || job.lease.expiresAt === null) return job
  // Between the sweep's look and this turn a heartbeat may have come, or another worker.
  if (job.lease.expiresAt > context.now) return job
  const before = job.attempts.slice(0, -1).filter(({ outcome }) => outcome !== 'released')
  const twice = before.at(-1)?.outcome === 'lost'
  const message = twice
    ? 'Two workers in a row went silent on this file: it may be what stops them.'
    : 'The worker went silent.'
  return failed(job, 'lost', { code: 'worker_lost', message, retryable: !twice }, context)
}

function deadlinePassed(job: Job, { now, policy }: Context): Job {
  if (job.status === 'pending' && policy.queueLimitMs !== null) {
    if (openAtOf(job) + policy.queueLimitMs > now) return job
    return ended(job, 'timeout', job.attempts, now, {
      code: 'timeout',
      message: 'No worker took the job in time.',
    })
  }
  if (job.status !== 'processing' || deadlineOf(job.lease, now) > now) return job
  const error = { code: 'timeout', message: 'The attempt took longer than its deadline.' }
  return ended(job, 'timeout', endAttempt(job, 'timeout', now, error), now, error)
}

function cancel(job: Job, { now }: Context): Job {
  if (job.status === 'cancelled') return job
  if (job.status === 'completed') throw conflict(job, 'cancel')
  return {
    ...baseOf(job),
    attempts: endAttempt(job, 'cancelled', now),
    status: 'cancelled',
    completedAt: now,
    continuation: null,
  }
}

function retry(job: Job, reserveFor: string | null, { now }: Context): Job {
  if (job.status === 'completed') throw conflict(job, 'retry')
  if (job.status === 'pending' && reserveFor === null) throw conflict(job, 'retry')
  const reserved = reserveFor === null ? null : { workerId: reserveFor, untilAt: now + RESERVATION }
  const again = pendingAgain(job, endAttempt(job, 'reassigned', now), now)
  return { ...again, retryCount: job.status === 'processing' ? job.retryCount : 0, reserved }
}

/** The processing job whose newest attempt this is. */
function held(job: Job, number: number): ProcessingJob {
  if (job.status !== 'processing' || lastAttempt(job)?.number !== number)
    throw leaseLost(job, number)
  return job
}

function failed(
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

function conflict(job: Job, verb: string): AppError {
  return new AppError('conflict', `Cannot ${verb} job ${job.jobId}: it is ${job.status}.`)
}

function leaseLost(job: Job, number: number): AppError {
  return new AppError(
    'lease_lost',
    `Attempt ${number} no longer holds job ${job.jobId}, which is ${job.status}.`,
  )
}
