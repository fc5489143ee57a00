import type { Outcome } from '../../shared/wire.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import type { Continuation } from './continuation.ts'
import type { Ingestion } from './ingestion.ts'

/** Where the bytes are: a file that was uploaded to us, or one inside a media root. */
export interface Source {
  kind: 'upload' | 'path'
  /** Absolute path of a `path` source; null for an upload, whose place follows from the job's id. */
  path: string | null
  filename: string
  sizeBytes: number
  /** Hex digest; known for uploads. */
  sha256: string | null
  /** Modification time of a `path` source when the job was made: a changed file is another file. */
  modifiedAt: number | null
}

/** One try at a job by one worker, counted from 1 and never reused. */
export interface Attempt {
  number: number
  workerId: string
  /** The token that claimed it: nobody else may work on it. Null: with the API key, or in open mode. */
  tokenId: string | null
  /** False for a worker of the original protocol: no lease, only the deadline. */
  leased: boolean
  startedAt: number
  endedAt: number | null
  outcome: Outcome | null
  errorCode: string | null
  errorMessage: string | null
  /** What its worker had said that it can do, as a digest; null: such that nothing is to be kept from it. */
  ability: string | null
}

/** The right to work on the newest attempt, and what its worker last said of it. Lives in memory between claims. */
export interface Lease {
  claimId: string | null
  /** Null: this worker sends no heartbeat. */
  expiresAt: number | null
  deadlineAt: number
  stage: string | null
  progress: number | null
  mediaSeconds: number | null
  processedSeconds: number | null
  /** When stage or progress last changed: a heartbeat alone does not keep the attempt. */
  movedAt: number
  /** When the worker began to fetch the source. */
  downloadAt: number | null
  /** When it had the source's last byte; durable for a worker of the original protocol. */
  downloadedAt: number | null
  /** Of a worker of the original protocol, after a restart: until when it is waited for; null: until the deadline. */
  graceUntilAt: number | null
  /** The last beat said that the attempt waits for its slot: counted up to then. */
  waitingSinceAt: number | null
  /** How long it has waited up to the last beat. */
  waitedMs: number
  /** A person chose this worker: what waits for its slot here is for nobody else. */
  reserved: boolean
}

export interface Result {
  /** SHA-256 of what the worker sent: the same digest is the same result. */
  digest: string
  processingSeconds: number | null
  mediaSeconds: number | null
  /** A small result stays in the job; a large one has a file of its own. */
  body: ResultBody | null
}

export interface ResultBody {
  content: string
  metadata: Record<string, unknown>
}

export interface JobBase {
  jobId: string
  contentType: string
  ingestionTaskId: string
  /** The token that made it; null: the API key, or somebody in open mode. */
  submittedBy: string | null
  taskOptions: Record<string, unknown>
  /** Null for a job that came without `POST /process`. */
  ingestion: Ingestion | null
  /** Higher goes first. */
  priority: number
  source: Source
  createdAt: number
  maxRetries: number
  retryCount: number
  /** Oldest first; at most {@link MAX_ATTEMPTS_KEPT}. */
  attempts: Attempt[]
}

export interface PendingJob extends JobBase {
  status: 'pending'
  availableAt: number
  /** Until that instant only this worker may claim it. */
  reserved: { workerId: string; untilAt: number } | null
}
export interface ProcessingJob extends JobBase {
  status: 'processing'
  lease: Lease
}
/** What follows once a job has ended; null when nothing does. */
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
/** One that is over, unless somebody retries it. */
export type EndedJob = CompletedJob | FailedJob | CancelledJob
/** A source file to convert, in one of six states. */
export type Job = PendingJob | ProcessingJob | CompletedJob | FailedJob | CancelledJob

export interface Beat {
  stage: string
  progress: number
  mediaSeconds: number | null
  processedSeconds: number | null
  /** Its worker expects no progress, and finds out by itself what hangs. */
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
  /** For another worker, while it waits for a slot where it is. */
  | { type: 'take_back'; attempt: number }
  | { type: 'lease_expired' }
  | { type: 'grace_passed' }
  | { type: 'deadline_passed' }
  | { type: 'cancel' }
  | { type: 'retry'; reserveFor: string | null }

/** How much of a job's history it keeps. */
export const MAX_ATTEMPTS_KEPT = 50

/** Whether an attempt is of a worker of the original protocol, which has no token to show and sends no heartbeat. */
export function isOriginal({ leased, workerId }: Attempt): boolean {
  return !leased && workerId !== LOCAL_WORKER
}

/** The newest attempt, if the job was ever claimed. */
export function lastAttempt(job: Job): Attempt | undefined {
  return job.attempts.at(-1)
}

/** The attempt of that number, if the job still remembers it. */
export function attemptOf(job: Job, number: number): Attempt | undefined {
  return job.attempts.find((one) => one.number === number)
}

/** From when on any worker may have a job that waits, and its wait counts. */
export function openAtOf({ availableAt, reserved }: PendingJob): number {
  return Math.max(availableAt, reserved?.untilAt ?? 0)
}

export function hasEnded(job: Job): job is EndedJob {
  return job.status !== 'pending' && job.status !== 'processing'
}

/** Back in the queue. */
export function pendingAgain(job: Job, attempts: Attempt[], availableAt: number): PendingJob {
  return { ...baseOf(job), attempts, status: 'pending', availableAt, reserved: null }
}

/** Given up for good. */
export function ended(
  job: Job,
  status: 'failed' | 'timeout',
  attempts: Attempt[],
  now: number,
  error: { code: string; message: string },
): FailedJob {
  return { ...baseOf(job), attempts, status, completedAt: now, error, continuation: null }
}

/** The attempts with the open one closed. */
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
          endedAt: now,
          outcome,
          errorCode: error?.code ?? null,
          errorMessage: error?.message ?? null,
        }
      : one,
  )
}

/** What every state has in common. */
export function baseOf(job: Job): JobBase {
  const {
    jobId,
    contentType,
    ingestionTaskId,
    submittedBy,
    taskOptions,
    ingestion,
    priority,
    source,
    createdAt,
    maxRetries,
    retryCount,
    attempts,
  } = job
  return {
    jobId,
    contentType,
    ingestionTaskId,
    submittedBy,
    taskOptions,
    ingestion,
    priority,
    source,
    createdAt,
    maxRetries,
    retryCount,
    attempts,
  }
}
