import { MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { deadlinePassed, gracePassed, leaseExpired } from './expiry.ts'
import { fail, failed } from './failure.ts'
import {
  baseOf,
  endAttempt,
  heldJob,
  leaseLost,
  pendingAgain,
  lastAttempt,
  MAX_ATTEMPTS_KEPT,
  workMs,
  type Attempt,
  type Beat,
  type Job,
  type JobEvent,
  type ProcessingJob,
  type Result,
} from './job.ts'
import { newLease, renewedLease } from './lease.ts'
import type { Context } from './policy.ts'

const RESERVATION = 10 * MINUTE

/**
 * The job after an event; the same object when nothing changes.
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
    case 'grace_passed':
      return gracePassed(job, context.now)
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
  const attempts = [...job.attempts, attempt]
  const dropped = attempts.slice(0, -MAX_ATTEMPTS_KEPT)
  return {
    ...baseOf(job),
    attempts: attempts.slice(-MAX_ATTEMPTS_KEPT),
    ...(dropped.length > 0 && { earlierWorkMs: (job.earlierWorkMs ?? 0) + workMs(dropped) }),
    status: 'processing',
    lease,
  }
}

function heartbeat(job: Job, number: number, beat: Beat, context: Context): Job {
  const current = heldJob(job, number)
  const lease = renewedLease(current, beat, context)
  const { movedAt } = lease
  if (context.now - movedAt >= context.policy.stallMs) {
    const message = `The worker is alive but has made no progress since ${new Date(movedAt).toISOString()}.`
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
  // A success is taken even when it comes late from an attempt that was given up; a newer attempt that still runs is
  // told to stop.
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

function release(job: Job, number: number, { now }: Context): Job {
  const last = lastAttempt(job)
  if (job.status === 'pending' && last?.number === number && last.outcome === 'released') return job
  const current = heldJob(job, number)
  return pendingAgain(current, endAttempt(current, 'released', now), now)
}

function takeBack(job: Job, number: number, { now }: Context): Job {
  const isWaiting =
    job.status === 'processing' &&
    lastAttempt(job)?.number === number &&
    job.lease.waitingSinceAt !== null
  return isWaiting ? pendingAgain(job, endAttempt(job, 'reassigned', now), now) : job
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

function conflict(job: Job, verb: string): AppError {
  return new AppError('conflict', `Cannot ${verb} job ${job.jobId}: it is ${job.status}.`)
}
