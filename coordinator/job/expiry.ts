import { afterFallbackFailure, failed, isFallbackFailure } from './failure.ts'
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

/** The job after its worker sent no heartbeat for a whole lease. */
export function leaseExpired(job: Job, context: Context): Job {
  if (job.status !== 'processing' || job.lease.expiresAt === null) return job
  // A heartbeat may have come between the chore's look and this change.
  if (job.lease.expiresAt > context.now) return job
  const before = job.attempts.slice(0, -1).filter(mayBlameFile)
  const twice = before.at(-1)?.outcome === 'lost'
  const message = twice
    ? 'The leases of two workers in a row expired on this file: it may be what stops them.'
    : 'The lease of the worker expired (no heartbeat).'
  return failed(job, 'lost', { code: 'worker_lost', message, retryable: !twice }, context)
}

/** The job after the deadline of its attempt, or of its wait for a worker. */
export function deadlinePassed(job: Job, context: Context): Job {
  const { now, policy } = context
  if (job.status === 'pending' && policy.queueLimitMs !== null) {
    if (openAtOf(job) + policy.queueLimitMs > now) return job
    return ended(job, 'timeout', job.attempts, now, {
      code: 'timeout',
      message: 'No worker took the job in time.',
    })
  }
  if (job.status !== 'processing' || deadlineOf(job.lease, now) > now) return job
  const error = { code: 'timeout', message: 'The attempt took longer than its deadline.' }
  if (isFallbackFailure(job, error))
    return afterFallbackFailure(job, { ...error, retryable: false }, context)
  return ended(job, 'timeout', endAttempt(job, 'timeout', now, error), now, error)
}

/** The job after the grace of an original worker's attempt from before a restart: back in the queue. */
export function gracePassed(job: Job, now: number): Job {
  if (job.status !== 'processing' || overdue(job.lease, now) !== 'grace_passed') return job
  const message =
    'The coordinator was restarted, and a worker without a lease has not contacted it about the job since.'
  return pendingAgain(job, endAttempt(job, 'lost', now, { code: 'worker_lost', message }), now)
}

/** Neither a job that was given back nor one lost while the coordinator was down says anything about the file. */
function mayBlameFile(attempt: Attempt): boolean {
  const { outcome } = attempt
  return outcome !== 'released' && !(outcome === 'lost' && isOriginal(attempt))
}
