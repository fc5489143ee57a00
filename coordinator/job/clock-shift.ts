import type { Job, Lease } from './job.ts'

/** The job after the clock was set by `ms`: what it may use or has to wait lasts as long as before. */
export function afterClockStep(job: Job, ms: number): Job {
  const shift = (at: number): number => at + ms
  if (job.status === 'processing') {
    const attempts = job.attempts.map((one) =>
      one.endedAt === null ? { ...one, startedAt: shift(one.startedAt) } : one,
    )
    return { ...job, attempts, lease: shiftedLease(job.lease, shift, shift) }
  }
  if (job.status !== 'pending') return job
  const { availableAt, reserved } = job
  return {
    ...job,
    availableAt: shift(availableAt),
    reserved: reserved && { ...reserved, untilAt: shift(reserved.untilAt) },
  }
}

/** The job after `ms` in which the coordinator could receive nothing: what runs out lasts that much longer. */
export function afterStandstill(job: Job, ms: number, now: number): Job {
  const extend = (at: number): number => at + ms
  const past = (at: number): number => Math.min(now, at + ms)
  if (job.status === 'processing') return { ...job, lease: shiftedLease(job.lease, extend, past) }
  if (job.status !== 'pending') return job
  const { availableAt, reserved } = job
  const wasReserved = reserved !== null && reserved.untilAt > now - ms
  return {
    ...job,
    // A pause before the next try is not prolonged.
    availableAt: Math.max(availableAt, past(availableAt)),
    reserved: wasReserved ? { ...reserved, untilAt: extend(reserved.untilAt) } : reserved,
  }
}

function shiftedLease(
  lease: Lease,
  future: (at: number) => number,
  past: (at: number) => number,
): Lease {
  const shifted = (at: number | null, by: (at: number) => number): number | null =>
    at === null ? null : by(at)
  return {
    ...lease,
    expiresAt: shifted(lease.expiresAt, future),
    deadlineAt: future(lease.deadlineAt),
    graceUntilAt: shifted(lease.graceUntilAt, future),
    movedAt: past(lease.movedAt),
    downloadAt: shifted(lease.downloadAt, past),
    downloadedAt: shifted(lease.downloadedAt, past),
    waitingSinceAt: shifted(lease.waitingSinceAt, past),
  }
}
