import { MINUTE } from '../../shared/duration.ts'
import { WAITING_STAGE } from '../../shared/wire.ts'
import {
  isOriginal,
  lastAttempt,
  type Beat,
  type Job,
  type Lease,
  type ProcessingJob,
} from './job.ts'
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
    downloadedAt: null,
    graceUntilAt: null,
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

/**
 * Whether a change of the lease is worth more than memory: a restart must not take what was waited for work, nor a worker
 * that has the source for one that never got our answer.
 */
export function isWorthWriting(before: Lease, after: Lease): boolean {
  return (
    (before.waitingSinceAt === null) !== (after.waitingSinceAt === null) ||
    before.downloadedAt !== after.downloadedAt
  )
}

function waitedUntil({ waitedMs, waitingSinceAt }: Lease, now: number): number {
  return waitedMs + (waitingSinceAt === null ? 0 : Math.max(0, now - waitingSinceAt))
}

/** What ends the attempt because its time is over, if that is so. */
export function overdue(
  lease: Lease,
  now: number,
): 'grace_passed' | 'deadline_passed' | 'lease_expired' | null {
  const { expiresAt, graceUntilAt } = lease
  if (graceUntilAt !== null && graceUntilAt <= now) return 'grace_passed'
  if (deadlineOf(lease, now) <= now) return 'deadline_passed'
  return expiresAt !== null && expiresAt <= now ? 'lease_expired' : null
}

/** Its worker begins to fetch the source: it is there. */
export function fetching(lease: Lease, now: number): Lease {
  return { ...lease, downloadAt: now, movedAt: now, graceUntilAt: null }
}

/** Its worker has the whole source. */
export function fetched(lease: Lease, now: number): Lease {
  return { ...lease, downloadedAt: now }
}

/** Its worker, which had not begun to fetch, is given the job once more. */
export function handedOutAgain(lease: Lease, now: number): Lease {
  return { ...lease, movedAt: now, graceUntilAt: null }
}

/** A lease with a full new term, after a time in which its worker could not reach us. */
export function freshLease(job: ProcessingJob, now: number, policy: Policy): Lease {
  const { lease } = job
  if (isOriginal(lastAttempt(job)!)) return leaseInGrace(lease, now, policy)
  const term = now + policy.leaseMs
  const { expiresAt, deadlineAt } = lease
  return {
    ...lease,
    expiresAt: expiresAt === null ? null : term,
    deadlineAt: Math.max(deadlineAt, term),
    movedAt: now,
  }
}

/** For so long a worker is waited for that may never have got our answer. */
const LEAST_GRACE_MS = MINUTE

/**
 * A worker of the original protocol says nothing until its result, and that once: what it sent while we were away is gone.
 * So it is waited for by the grace alone. That goes on over further restarts.
 */
function leaseInGrace(lease: Lease, now: number, { originalGraceMs }: Policy): Lease {
  const leastMs = Math.min(LEAST_GRACE_MS, originalGraceMs)
  const mostMs = lease.downloadedAt === null ? leastMs : originalGraceMs
  const graceUntilAt = Math.min(
    now + mostMs,
    Math.max(now + leastMs, lease.graceUntilAt ?? Infinity),
  )
  return {
    ...lease,
    graceUntilAt,
    // The deadline may have passed while nobody could be heard.
    deadlineAt: Math.max(lease.deadlineAt, graceUntilAt),
  }
}
