import { createHash } from 'node:crypto'
import { fromWire, toWire } from '../../../shared/keys.ts'
import type { Status } from '../../../shared/wire.ts'
import { nextDueAt } from '../../job/continuation.ts'
import {
  hasEnded,
  lastAttempt,
  openAtOf,
  storedLease,
  type Job,
  type Lease,
  type ProcessingJob,
} from '../../job/job.ts'
import { freshLease } from '../../job/lease.ts'
import type { Policy } from '../../job/policy.ts'
import { requirementsOf } from '../../job/requirements.ts'
import { countsOf } from '../../job/usage-counts.ts'
import { fromRecord, toRecord } from '../record.ts'

/** A job as it is read, with its lease as last renewed. */
export interface JobRow {
  job_id: string
  status: Status
  version: number
  record: string
  /** Of the lease; null: there is none. */
  attempt: number | null
  rev: number | null
  lease: string | null
}

/** A job, and what its next change has to know. */
export interface Stored<J extends Job = Job> {
  job: J
  version: number
  /** How often the lease was renewed; null: none is kept. */
  rev: number | null
}

const versions = new WeakMap<Job, number>()

/** Of a job that was read, or written. */
export function versionOf(job: Job): number | undefined {
  return versions.get(job)
}

/** Texts of clients may be longer than an index takes. */
const MOST_KEY_CHARS = 200
const MOST_RANK = 2_000_000_000

/** A text as a column holds it: what PostgreSQL does not take is replaced, and a long one cut to what is still its own. */
export function keyOf(text: string): string {
  const plain = plainText(text)
  if (plain.length <= MOST_KEY_CHARS) return plain
  const digest = createHash('sha256').update(text).digest('base64url')
  return `${plainText(plain.slice(0, 100))}#${digest}`
}

/** Without half characters and NUL. */
export function plainText(text: string): string {
  return Buffer.from(text).toString().replaceAll('\0', '\ufffd')
}

/** The columns of `jobs`, and the only place that fills them. @param now decides which of them any worker may have. */
export function columnsOf(
  job: Job,
  { version, mark, now }: { version: number; mark: string; now: number },
) {
  versions.set(job, version)
  const local = job.ingestion?.local === true
  return {
    job_id: job.jobId,
    version,
    mark,
    status: job.status,
    content_type: keyOf(job.contentType),
    requires_key: keyOf(requirementsOf(job).key),
    rank: Math.max(-MOST_RANK, Math.min(MOST_RANK, -job.priority)),
    created_at: Math.floor(job.createdAt),
    ...waitColumns(job, local, now),
    local,
    size_bytes: job.source.sizeBytes,
    ...attemptColumns(job),
    submitted_by: orNull(job.submittedBy),
    task_id: keyOf(job.ingestionTaskId),
    ...endColumns(job),
    ...usageColumns(job),
    search: searchText(job),
    record: JSON.stringify(toRecord(job)),
  }
}

function waitColumns(job: Job, local: boolean, now: number) {
  if (job.status !== 'pending')
    return { ready: false, open_at: null, available_at: null, reserved_for: null }
  const openAt = Math.floor(openAtOf(job))
  return {
    ready: !local && openAt <= now,
    open_at: openAt,
    available_at: Math.floor(job.availableAt),
    reserved_for: orNull(job.reserved?.workerId),
  }
}

function attemptColumns(job: Job) {
  const { number = 0, workerId, tokenId } = lastAttempt(job) ?? {}
  const claimId = job.status === 'processing' ? job.lease.claimId : null
  return {
    attempt: number,
    worker_id: orNull(workerId),
    token_id: orNull(tokenId),
    claim_id: orNull(claimId),
  }
}

function endColumns(job: Job) {
  if (!hasEnded(job)) return { ended_at: null, next_step_at: null, step_receiver: null }
  const step = job.continuation && nextDueAt(job.continuation)
  return {
    ended_at: Math.floor(job.completedAt),
    next_step_at: step && Math.ceil(step),
    step_receiver: null,
  }
}

function usageColumns(job: Job) {
  const { mediaMs, workMs } = countsOf(job)
  return { media_ms: mediaMs, work_ms: workMs }
}

/** The columns of `leases`. */
export function leaseColumns({ jobId, lease, attempts }: ProcessingJob, rev: number) {
  const dueAt = dueAtOf(lease)
  const attempt = attempts.at(-1)!.number
  return { job_id: jobId, attempt, rev, due_at: dueAt, lease: JSON.stringify(toWire(lease)) }
}

/** The job of a row. One whose lease was lost with a crash of the server has a full term. */
export function storedOf(row: JobRow, now: number, policy: Policy): Stored {
  const job = fromRecord(JSON.parse(row.record), row.job_id, row.status, now)
  const { version } = row
  versions.set(job, version)
  if (job.status !== 'processing') return { job, version, rev: null }
  if (row.lease === null || row.attempt !== lastAttempt(job)?.number)
    return { job: { ...job, lease: freshLease(job, now, policy) }, version, rev: null }
  return { job: { ...job, lease: leaseOf(row.lease) }, version, rev: row.rev }
}

export function leaseOf(text: string): Lease {
  return fromWire(storedLease.parse(JSON.parse(text)))
}

/** When a lease runs out if nothing comes; null: never. The deadline does not come while it waits for a slot. */
function dueAtOf({ expiresAt, deadlineAt, graceUntilAt, waitingSinceAt }: Lease): number | null {
  const isLate = waitingSinceAt === null || deadlineAt <= waitingSinceAt
  const times = [expiresAt, graceUntilAt, isLate ? deadlineAt : null].filter((at) => at !== null)
  return times.length === 0 ? null : Math.floor(Math.min(...times))
}

/** What a text is looked for in: as {@link FileJobStore} does. */
function searchText(job: Job): string {
  const error = 'error' in job ? job.error.message : (lastAttempt(job)?.errorMessage ?? '')
  const texts = [job.source.filename, job.jobId, job.ingestionTaskId, error]
  return plainText(texts.join('\n').toLowerCase())
}

function orNull(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : keyOf(text)
}
