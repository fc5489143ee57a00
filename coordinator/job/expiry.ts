import { isOfTheFallback, leftToWorkers } from './fallback-failure.ts'
import { failed } from './failure.ts'
import {
  endAttempt,
  ended,
  isOriginal,
  openAtOf,
  pendingAgain,
  type Attempt,
  type Job,
} from './job.ts'
import { deadlineOf, overdue } from './lease.ts'
import type { Context } from './policy.ts'

/** The job once its worker was silent for a whole lease. */
export function leaseExpired(job: Job, context: Context): Job {
  // A worker of the original protocol has no lease, only the deadline.
  if (job.status !== 'processing' || job.lease.expiresAt === null) return job
  // Between the sweep's look and this turn a heartbeat may have come, or another worker.
  if (job.lease.expiresAt > context.now) return job
  const before = job.attempts.slice(0, -1).filter(saysSomethingOfTheFile)
  const twice = before.at(-1)?.outcome === 'lost'
  const message = twice
    ? 'The leases of two workers in a row expired on this file: it may be what stops them.'
    : 'The lease of the worker expired (no heartbeat).'
  return failed(job, 'lost', { code: 'worker_lost', message, retryable: !twice }, context)
}

/** The job once an attempt, or its wait for a worker, has taken too long. */
export function deadlinePassed(job: Job, { now, random, policy }: Context): Job {
  if (job.status === 'pending' && policy.queueLimitMs !== null) {
    if (openAtOf(job) + policy.queueLimitMs > now) return job
    return ended(job, 'timeout', job.attempts, now, {
      code: 'timeout',
      message: 'No worker took the job in time.',
    })
  }
  if (job.status !== 'processing' || deadlineOf(job.lease, now) > now) return job
  const error = { code: 'timeout', message: 'The attempt took longer than its deadline.' }
  if (isOfTheFallback(job, error))
    return leftToWorkers(job, { ...error, retryable: false }, { now, random })
  return ended(job, 'timeout', endAttempt(job, 'timeout', now, error), now, error)
}

/** The job after the grace of an attempt that a worker of the original protocol had before a restart: back in the queue. */
export function gracePassed(job: Job, now: number): Job {
  if (job.status !== 'processing' || overdue(job.lease, now) !== 'grace_passed') return job
  const message =
    'The coordinator was restarted while a worker without a lease had the job, and that has not been heard of since.'
  return pendingAgain(job, endAttempt(job, 'lost', now, { code: 'worker_lost', message }), now)
}

/** Not an attempt that was given back, nor one that was lost with a coordinator that was away. */
function saysSomethingOfTheFile(attempt: Attempt): boolean {
  const { outcome } = attempt
  return outcome !== 'released' && !(outcome === 'lost' && isOriginal(attempt))
}
