import type { Job, Lease } from './job.ts'

/**
 * The job after the clock was set by so much: what it may still use or has to wait lasts as long as before. What is over
 * stays as it was written down; the very same object when nothing changes.
 */
export function steppedJob(job: Job, ms: number): Job {
  if (job.status === 'processing') {
    // The running attempt's start belongs to its deadline.
    const attempts = job.attempts.map((one) =>
      one.endedAt === null ? { ...one, startedAt: one.startedAt + ms } : one,
    )
    return { ...job, attempts, lease: steppedLease(job.lease, ms) }
  }
  if (job.status !== 'pending') return job
  const { availableAt, reserved } = job
  return {
    ...job,
    availableAt: availableAt + ms,
    reserved: reserved && { ...reserved, untilAt: reserved.untilAt + ms },
  }
}

function steppedLease(lease: Lease, ms: number): Lease {
  const stepped = (at: number | null): number | null => (at === null ? null : at + ms)
  return {
    ...lease,
    expiresAt: stepped(lease.expiresAt),
    deadlineAt: lease.deadlineAt + ms,
    movedAt: lease.movedAt + ms,
    downloadAt: stepped(lease.downloadAt),
    downloadedAt: stepped(lease.downloadedAt),
    graceUntilAt: stepped(lease.graceUntilAt),
    waitingSinceAt: stepped(lease.waitingSinceAt),
  }
}
