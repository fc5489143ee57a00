import { MINUTE } from '../../shared/duration.ts'
import type { Job, JobBase, JobEvent, PendingJob, Result } from '../../coordinator/job/job.ts'
import type { Context, Policy } from '../../coordinator/job/policy.ts'
import { transition } from '../../coordinator/job/transition.ts'

/** An instant that every test starts from. */
export const NOON = Date.UTC(2026, 0, 2, 12)

export const POLICY: Policy = {
  leaseMs: 1 * MINUTE,
  stallMs: 10 * MINUTE,
  deadlineMs: { audio: 60 * MINUTE, document: 15 * MINUTE, default: 30 * MINUTE },
  deadlineFactor: 4,
  queueLimitMs: null,
  originalGraceMs: 5 * MINUTE,
}

let made = 0

/** A job id that is unique in this process. */
export function newJobId(): string {
  made += 1
  return `00000000-0000-4000-8000-${made.toString(16).padStart(12, '0')}`
}

/** A job that waits, with what a test wants different. */
export function pendingJob(different: Partial<JobBase & PendingJob> = {}): PendingJob {
  const jobId = different.jobId ?? newJobId()
  return {
    jobId,
    contentType: 'audio',
    ingestionTaskId: `task of ${jobId}`,
    submittedBy: null,
    taskOptions: {},
    ingestion: null,
    priority: 0,
    source: {
      kind: 'path',
      path: '/media/talk.mp3',
      filename: 'talk.mp3',
      sizeBytes: 1_000,
      sha256: null,
      modifiedAt: null,
    },
    createdAt: NOON,
    maxRetries: 3,
    retryCount: 0,
    attempts: [],
    status: 'pending',
    availableAt: NOON,
    reserved: null,
    ...different,
  }
}

export function result(digest = 'a digest'): Result {
  return {
    digest,
    processingSeconds: 12.5,
    mediaSeconds: 60,
    body: { content: '# Audio Transcription: talk.mp3', metadata: { a_key: 'kept', laterAt: 5 } },
  }
}

export function at(now: number, different: Partial<Context> = {}): Context {
  return { now, random: 0.5, policy: POLICY, ...different }
}

export const CLAIM = { type: 'claim', workerId: 'w1', claimId: 'c1', leased: true } as const

/** The job after these events, a second apart unless the job makes one of them wait longer. */
export function after(job: Job, ...events: JobEvent[]): Job {
  let now = NOON
  for (const event of events) {
    now = Math.max(now, dueAt(job, event))
    job = transition(job, event, at(now))
    now += 1_000
  }
  return job
}

/** When an event can happen at the earliest. */
export function dueAt(job: Job, { type }: JobEvent): number {
  if (type === 'claim' && job.status === 'pending') return job.availableAt
  if (type === 'lease_expired' && job.status === 'processing') return job.lease.expiresAt ?? NOON
  if (type === 'deadline_passed' && job.status === 'processing') return job.lease.deadlineAt
  return NOON
}

export function failing(attempt: number, code = 'engine_failed', retryable = true): JobEvent {
  return { type: 'fail', attempt, code, message: `it failed with ${code}`, retryable }
}

/** One job in every status, each after one attempt (the pending one never tried). */
export function oneOfEach(): Record<Job['status'], Job> {
  return {
    pending: pendingJob(),
    processing: after(pendingJob(), CLAIM),
    completed: after(pendingJob(), CLAIM, { type: 'succeed', attempt: 1, result: result() }),
    failed: after(pendingJob(), CLAIM, failing(1, 'invalid_media')),
    timeout: after(pendingJob(), CLAIM, { type: 'deadline_passed' }),
    cancelled: after(pendingJob(), CLAIM, { type: 'cancel' }),
  }
}
