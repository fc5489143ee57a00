import { WAITING_STAGE } from '../../shared/wire.ts'
import { lastAttempt, type Beat, type Job, type Lease, type ProcessingJob } from './job.ts'
import { deadlineMs, type Policy } from './policy.ts'

/** What a worker holds from its claim on. */
export function newLease(
  job: Job,
  claim: { workerId: string; claimId: string | null; leased: boolean },
  { now, policy }: { now: number; policy: Policy },
): Lease {
  return {
    claimId: claim.claimId,
    expiresAt: claim.leased ? now + policy.leaseMs : null,
    deadlineAt: now + deadlineMs(job, null, policy),
    stage: null,
    progress: null,
    mediaSeconds: null,
    processedSeconds: null,
    movedAt: now,
    downloadAt: null,
    waitingSinceAt: null,
    waitedMs: 0,
    reserved: job.status === 'pending' && job.reserved?.workerId === claim.workerId,
  }
}

/**
 * The lease after a heartbeat. A deadline counts work: it moves by the time that the attempt waited for its slot, and
 * whoever waits need not move. Neither need what its worker watches by itself.
 */
export function renewedLease(
  job: ProcessingJob,
  { isQuiet = false, ...beat }: Beat,
  { now, policy }: { now: number; policy: Policy },
): Lease {
  const { lease } = job
  const waits = beat.stage === WAITING_STAGE
  const moved =
    waits ||
    isQuiet ||
    beat.stage !== lease.stage ||
    beat.progress !== lease.progress ||
    beat.processedSeconds !== lease.processedSeconds
  const waitedMs = waitedUntil(lease, now)
  const mediaSeconds = beat.mediaSeconds ?? lease.mediaSeconds
  const startedAt = lastAttempt(job)!.startedAt
  const allowed = startedAt + waitedMs + deadlineMs(job, mediaSeconds, policy)
  return {
    ...lease,
    ...beat,
    mediaSeconds,
    movedAt: moved ? now : lease.movedAt,
    deadlineAt: Math.max(deadlineOf(lease, now), allowed),
    expiresAt: lease.expiresAt === null ? null : now + policy.leaseMs,
    waitingSinceAt: waits ? now : null,
    waitedMs,
  }
}

/** When the attempt has taken too long: later the longer it waits. */
export function deadlineOf(lease: Lease, now: number): number {
  return lease.deadlineAt + waitedUntil(lease, now) - lease.waitedMs
}

/** Whether a change of the lease is worth more than memory: a restart must not take what was waited for work. */
export function startsOrEndsWaiting(before: Lease, after: Lease): boolean {
  return (before.waitingSinceAt === null) !== (after.waitingSinceAt === null)
}

function waitedUntil({ waitedMs, waitingSinceAt }: Lease, now: number): number {
  return waitedMs + (waitingSinceAt === null ? 0 : Math.max(0, now - waitingSinceAt))
}

/** A lease with a full new term, after a time in which its worker could not reach us. */
export function freshLease(lease: Lease, now: number, leaseMs: number): Lease {
  const term = now + leaseMs
  const { expiresAt, deadlineAt, downloadAt } = lease
  return {
    ...lease,
    expiresAt: expiresAt === null ? null : term,
    deadlineAt: Math.max(deadlineAt, term),
    movedAt: now,
    // Whether a worker of the original protocol had begun to fetch was not written down: believe that it had.
    downloadAt: downloadAt ?? (expiresAt === null ? now : null),
  }
}
