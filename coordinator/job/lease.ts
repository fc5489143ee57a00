import { MINUTE } from '../../shared/duration.ts'
import { WAITING_STAGE } from '../../shared/wire.ts'
import {
  isOriginal,
  lastAttempt,
  waitedUntil,
  type Beat,
  type Job,
  type Lease,
  type ProcessingJob,
} from './job.ts'
import { deadlineMs, type Policy } from './policy.ts'

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
 * The lease after a heartbeat. The deadline counts work only: it moves by the time that the attempt waited for its slot.
 * Neither a waiting attempt nor a quiet one has to show progress.
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

/** The deadline, moved by the wait for a slot so far. */
export function deadlineOf(lease: Lease, now: number): number {
  return lease.deadlineAt + waitedUntil(lease, now) - lease.waitedMs
}

/**
 * Whether a change of the lease must survive a restart: the wait for a slot does not count as work, and an original
 * worker that has the source has received the answer to its poll.
 */
export function isWorthWriting(before: Lease, after: Lease): boolean {
  return (
    (before.waitingSinceAt === null) !== (after.waitingSinceAt === null) ||
    before.downloadedAt !== after.downloadedAt
  )
}

export interface Overdue {
  jobId: string
  type: 'grace_passed' | 'deadline_passed' | 'lease_expired'
}

export function overdue(lease: Lease, now: number): Overdue['type'] | null {
  const { expiresAt, graceUntilAt } = lease
  if (graceUntilAt !== null && graceUntilAt <= now) return 'grace_passed'
  if (deadlineOf(lease, now) <= now) return 'deadline_passed'
  return expiresAt !== null && expiresAt <= now ? 'lease_expired' : null
}

export function fetching(lease: Lease, now: number): Lease {
  return { ...lease, downloadAt: now, movedAt: now, graceUntilAt: null }
}

export function fetched(lease: Lease, now: number): Lease {
  return { ...lease, downloadedAt: now }
}

/** The same job given again to an original worker that had not begun to fetch it. */
export function handedOutAgain(lease: Lease, now: number): Lease {
  return { ...lease, movedAt: now, graceUntilAt: null }
}

/** A lease with a full term, for a worker that could not reach the coordinator. */
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

/** An original worker that may not have received the answer to its poll. */
const LEAST_GRACE_MS = MINUTE

/**
 * A worker of the original protocol sends nothing but its result, once: a result sent during the restart is gone. So the
 * attempt ends with the grace. Further restarts do not extend it beyond the least.
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
    // The deadline may have passed while the coordinator was down.
    deadlineAt: Math.max(lease.deadlineAt, graceUntilAt),
  }
}
