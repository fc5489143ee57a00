import { z } from 'zod'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import type { FromWire } from '../../shared/keys.ts'
import { OUTCOMES, type Outcome } from '../../shared/wire.ts'
import { LOCAL_WORKER, opaque } from '../../shared/wire-fields.ts'
import type { Continuation } from './continuation.ts'
import { instant, instantOrNull, numberOrNull, textOrNull, stored } from './fields.ts'
import type { Ingestion } from './ingestion.ts'

export const SOURCE_KINDS = ['upload', 'path', 'url'] as const

/** Where the bytes are: an upload, a file inside a media root, or at an address of the web. */
export interface Source {
  kind: (typeof SOURCE_KINDS)[number]
  /** Absolute; null for others than `path`, whose place follows from the job's id. */
  path: string | null
  filename: string
  sizeBytes: number
  /** Hex digest; known for what is stored. */
  sha256: string | null
  /** Modification time of a `path` source when the job was made: a changed file is rejected. */
  modifiedAt: number | null
  /** Of a `url` source. */
  origin?: Origin
}

/** Where a `url` source comes from. */
export const storedOrigin = stored({
  /** May hold a name, a password and other secrets. */
  url: z.string(),
  /** A strong ETag, or a Last-Modified: the bytes are fetched in ranges when they are wanted. Null: they are stored. */
  validator: textOrNull,
  /** Of audio or video, by its first bytes. */
  media_type: textOrNull,
})
export type Origin = FromWire<z.output<typeof storedOrigin>>

/** One try at a job by one worker; numbers count from 1 and are never reused. */
export const storedAttempt = stored({
  number: z.int().min(1),
  worker_id: z.string(),
  /** The token that claimed it, and that alone may work on it; null: the API key, or open mode. */
  token_id: textOrNull,
  /** False for a worker of the original protocol, which has only the deadline. */
  leased: z.boolean().default(false),
  started_at: instant,
  ended_at: instantOrNull,
  outcome: z.enum(OUTCOMES).nullable().default(null),
  error_code: textOrNull,
  error_message: textOrNull,
  /** Digest of the capabilities that its worker announced; null: a worker that announces none. */
  ability: textOrNull,
  /** Its waits for a slot, once it has ended. */
  waited_ms: z.number().exactOptional(),
  /** Length of the recording as its worker reported it, once it has ended. */
  media_seconds: z.number().exactOptional(),
})
export type Attempt = FromWire<z.output<typeof storedAttempt>>

/** The right to work on the newest attempt, with its worker's last report. */
export const storedLease = stored({
  claim_id: textOrNull,
  /** Null: this worker sends no heartbeats. */
  expires_at: instantOrNull,
  deadline_at: instant,
  stage: textOrNull,
  progress: numberOrNull,
  media_seconds: numberOrNull,
  processed_seconds: numberOrNull,
  /** When stage or progress last changed: a heartbeat alone does not keep the attempt. */
  moved_at: instant,
  download_at: instantOrNull,
  /** When it had the last byte of the source; durable for a worker of the original protocol. */
  downloaded_at: instantOrNull,
  /** For a worker of the original protocol after a restart: when its grace ends; null: only the deadline counts. */
  grace_until_at: instantOrNull,
  /** Since when the attempt waits for its slot, as of the last heartbeat. */
  waiting_since_at: instantOrNull,
  /** Its waits up to the last heartbeat. */
  waited_ms: z.number().min(0).default(0),
  /** An operator chose this worker: no other may take the job while it waits for its slot. */
  reserved: z.boolean().default(false),
})
export type Lease = FromWire<z.output<typeof storedLease>>

export const storedResult = stored({
  /** SHA-256 of the worker's body: the same digest is the same result. */
  digest: z.string(),
  processing_seconds: numberOrNull,
  media_seconds: numberOrNull,
  /** A small result stays in the job; a large one has a file. */
  body: z.object({ content: z.string(), metadata: opaque }).nullable().default(null),
  /** By label, as people have named the speakers since; the body keeps the labels. */
  speaker_names: z.record(z.string(), z.string()).exactOptional(),
})
export type Result = FromWire<z.output<typeof storedResult>>
export type ResultBody = NonNullable<Result['body']>

export interface JobBase {
  jobId: string
  contentType: string
  ingestionTaskId: string
  /** The token that made it; null: the API key, or open mode. */
  submittedBy: string | null
  taskOptions: Record<string, unknown>
  ingestion: Ingestion | null
  /** Higher goes first. */
  priority: number
  source: Source
  createdAt: number
  maxRetries: number
  retryCount: number
  /** Oldest first; at most {@link MAX_ATTEMPTS_KEPT}. */
  attempts: Attempt[]
  /** {@link workMs} of the attempts before those. */
  earlierWorkMs?: number
}

export interface PendingJob extends JobBase {
  status: 'pending'
  availableAt: number
  /** Until `untilAt` only this worker may claim it. */
  reserved: { workerId: string; untilAt: number } | null
}
export interface ProcessingJob extends JobBase {
  status: 'processing'
  lease: Lease
}
interface Ended {
  completedAt: number
  continuation: Continuation | null
}
export interface CompletedJob extends JobBase, Ended {
  status: 'completed'
  result: Result
}
export interface FailedJob extends JobBase, Ended {
  status: 'failed' | 'timeout'
  error: { code: string; message: string }
}
interface CancelledJob extends JobBase, Ended {
  status: 'cancelled'
}
/** A job that is over, unless it is retried. */
export type EndedJob = CompletedJob | FailedJob | CancelledJob
export type Job = PendingJob | ProcessingJob | CompletedJob | FailedJob | CancelledJob

export interface Beat {
  stage: string
  progress: number
  mediaSeconds: number | null
  processedSeconds: number | null
  /** The worker expects no progress and detects a hang itself. */
  isQuiet?: boolean
}

export type JobEvent =
  | {
      type: 'claim'
      workerId: string
      tokenId?: string | null
      claimId: string | null
      leased: boolean
      ability?: string | null
    }
  | { type: 'heartbeat'; attempt: number; beat: Beat }
  | { type: 'succeed'; attempt: number; result: Result }
  | { type: 'fail'; attempt: number; code: string; message: string; retryable: boolean }
  | { type: 'release'; attempt: number }
  /** Moves a job that waits for a slot at one worker to another. */
  | { type: 'take_back'; attempt: number }
  | { type: 'lease_expired' }
  | { type: 'grace_passed' }
  | { type: 'deadline_passed' }
  | { type: 'cancel' }
  | { type: 'retry'; reserveFor: string | null }

export const MAX_ATTEMPTS_KEPT = 50

/** Whether the attempt's worker speaks the original protocol: no lease token, no heartbeats. */
export function isOriginal({ leased, workerId }: Attempt): boolean {
  return !leased && workerId !== LOCAL_WORKER
}

/** The attempts that a change has ended. */
export function endedBetween(before: Job | null, after: Job): Attempt[] {
  const earlier = new Map(before?.attempts.map(({ number, outcome }) => [number, outcome]))
  return after.attempts.filter(
    ({ number, outcome }) => outcome !== null && outcome !== earlier.get(number),
  )
}

/**
 * How long the attempt that completed a job worked, in seconds; null when unknown.
 * @param before the job's state before, if known: the wait for a slot is no work.
 */
export function workSeconds(before: Job | null, after: Job): number | null {
  const done = after.attempts.find(({ outcome }) => outcome === 'completed')
  if (done === undefined || done.endedAt === null) return null
  const held = before?.status === 'processing' && lastAttempt(before)?.number === done.number
  const waitedMs = held ? before.lease.waitedMs : 0
  return Math.max(0, done.endedAt - done.startedAt - waitedMs) / SECOND
}

/** How long agents worked in attempts that have ended, in milliseconds: without their waits for a slot. */
export function workMs(attempts: readonly Attempt[]): number {
  let sum = 0
  for (const { workerId, startedAt, endedAt, waitedMs = 0 } of attempts)
    if (endedAt !== null && workerId !== LOCAL_WORKER)
      sum += Math.max(0, endedAt - startedAt - waitedMs)
  return sum
}

/** How long an attempt has waited for a slot, in milliseconds. */
export function waitedUntil({ waitedMs, waitingSinceAt }: Lease, now: number): number {
  return waitedMs + (waitingSinceAt === null ? 0 : Math.max(0, now - waitingSinceAt))
}

export function lastAttempt(job: Job): Attempt | undefined {
  return job.attempts.at(-1)
}

export function attemptOf(job: Job, number: number): Attempt | undefined {
  return job.attempts.find((one) => one.number === number)
}

/** From when on any worker may claim the job. */
export function openAtOf({ availableAt, reserved }: PendingJob): number {
  return Math.max(availableAt, reserved?.untilAt ?? 0)
}

export function hasEnded(job: Job): job is EndedJob {
  return job.status !== 'pending' && job.status !== 'processing'
}

/** The job, completed. @throws {AppError} `conflict` */
export function completed(job: Job): CompletedJob {
  if (job.status === 'completed') return job
  throw new AppError('conflict', `Job ${job.jobId} has no result: it is ${job.status}.`)
}

export function pendingAgain(job: Job, attempts: Attempt[], availableAt: number): PendingJob {
  return { ...baseOf(job), attempts, status: 'pending', availableAt, reserved: null }
}

/** Ended without success. */
export function ended(
  job: Job,
  status: 'failed' | 'timeout',
  attempts: Attempt[],
  now: number,
  error: { code: string; message: string },
): FailedJob {
  return { ...baseOf(job), attempts, status, completedAt: now, error, continuation: null }
}

/** The attempts, with the open one closed. */
export function endAttempt(
  job: Job,
  outcome: Outcome,
  now: number,
  error?: { code: string; message: string },
): Attempt[] {
  return job.attempts.map((one) =>
    one.endedAt === null
      ? {
          ...one,
          ...(job.status === 'processing' && lastingFacts(job.lease, now)),
          endedAt: now,
          outcome,
          errorCode: error?.code ?? null,
          errorMessage: error?.message ?? null,
        }
      : one,
  )
}

/** What stays of a lease with its attempt. */
function lastingFacts(lease: Lease, now: number): Partial<Attempt> {
  const waitedMs = waitedUntil(lease, now)
  const { mediaSeconds } = lease
  return { ...(waitedMs > 0 && { waitedMs }), ...(mediaSeconds !== null && { mediaSeconds }) }
}

type StateKey = Exclude<
  keyof PendingJob | keyof ProcessingJob | keyof CompletedJob | keyof FailedJob,
  keyof JobBase
>
const STATE_KEYS: Readonly<Record<StateKey, true>> = {
  status: true,
  availableAt: true,
  reserved: true,
  lease: true,
  completedAt: true,
  continuation: true,
  result: true,
  error: true,
}

export function baseOf(job: Job): JobBase {
  const entries = Object.entries(job).filter(([key]) => !(key in STATE_KEYS))
  return Object.fromEntries(entries) as unknown as JobBase
}

/** The job, processing, if this is its newest attempt. @throws {AppError} `lease_lost` */
export function heldJob(job: Job, number: number): ProcessingJob {
  if (job.status !== 'processing' || lastAttempt(job)?.number !== number)
    throw leaseLost(job, number)
  return job
}

export function leaseLost({ jobId, status }: Job, number: number): AppError {
  const message = `Attempt ${number} no longer holds job ${jobId}, which is ${status}.`
  return new AppError('lease_lost', message)
}
