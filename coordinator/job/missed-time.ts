import type { Job, Lease } from './job.ts'

/**
 * The job after a time in which we could not hear anybody: whoever has a lease or a deadline, or waits for a worker, has
 * so much more of it.
 * @param now after it.
 */
export function withMissedTime(job: Job, ms: number, now: number): Job {
  if (job.status === 'processing') return { ...job, lease: longerLease(job.lease, ms, now) }
  if (job.status !== 'pending') return job
  const { availableAt, reserved } = job
  const wasReserved = reserved !== null && reserved.untilAt > now - ms
  return {
    ...job,
    // A pause before the next try is over when it is over.
    availableAt: Math.max(availableAt, Math.min(now, availableAt + ms)),
    reserved: wasReserved ? { ...reserved, untilAt: reserved.untilAt + ms } : reserved,
  }
}

function longerLease(lease: Lease, ms: number, now: number): Lease {
  const { expiresAt, deadlineAt, graceUntilAt, movedAt, waitingSinceAt } = lease
  return {
    ...lease,
    expiresAt: expiresAt === null ? null : expiresAt + ms,
    deadlineAt: deadlineAt + ms,
    graceUntilAt: graceUntilAt === null ? null : graceUntilAt + ms,
    movedAt: Math.min(now, movedAt + ms),
    waitingSinceAt: waitingSinceAt === null ? null : Math.min(now, waitingSinceAt + ms),
  }
}
