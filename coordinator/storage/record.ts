import { statSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { fromWire, toWire } from '../../shared/keys.ts'
import { OUTCOMES, STATUSES, type Status } from '../../shared/wire.ts'
import { serverAnswer, STEPS } from '../../shared/wire-ingestion.ts'
import type { Job, JobBase } from '../job/job.ts'

/**
 * A job as in its file and its journal line. Most keys have defaults, so that a file written by hand works:
 * `{"content_type": "audio", "source": {"path": "/media/talk.mp3"}}` in `pending/<uuid>.json`.
 */
const instant = z.iso.datetime()
const number = z.number().nullable().default(null)
const text = z.string().nullable().default(null)

const attempt = z.object({
  number: z.int().min(1),
  worker_id: z.string(),
  token_id: text,
  leased: z.boolean().default(false),
  started_at: instant,
  ended_at: instant.nullable().default(null),
  outcome: z.enum(OUTCOMES).nullable().default(null),
  error_code: text,
  error_message: text,
  ability: text,
})

const lease = z.object({
  claim_id: text,
  expires_at: instant.nullable().default(null),
  deadline_at: instant,
  stage: text,
  progress: number,
  media_seconds: number,
  processed_seconds: number,
  moved_at: instant,
  download_at: instant.nullable().default(null),
  downloaded_at: instant.nullable().default(null),
  grace_until_at: instant.nullable().default(null),
  waiting_since_at: instant.nullable().default(null),
  waited_ms: z.number().min(0).default(0),
  reserved: z.boolean().default(false),
})

const result = z.object({
  digest: z.string(),
  processing_seconds: number,
  media_seconds: number,
  body: z
    .object({ content: z.string(), metadata: z.record(z.string(), z.unknown()) })
    .nullable()
    .default(null),
})

const ingestion = z.object({
  mode: z.string(),
  local: z.boolean().default(false),
  source_type: z.string().default('file'),
  media_type: text,
  document_id: text,
  webhook: z
    .object({
      url: z.string(),
      auth_token: text,
      secret: text,
      progress: z.boolean().default(false),
    })
    .nullable()
    .default(null),
  metadata: z.record(z.string(), z.unknown()).default({}),
  processing_options: z.record(z.string(), z.unknown()).default({}),
  ingest_options: z.record(z.string(), z.unknown()).default({}),
})

const continuation = z.object({
  id: z.string(),
  steps: z.array(
    z.object({
      name: z.enum(STEPS),
      state: z.enum(['pending', 'done', 'failed']),
      tries: z.int().min(0).default(0),
      next_at: instant.nullable().default(null),
      last_at: instant.nullable().default(null),
      last_error: text,
      task: z.object({ api: z.string(), id: text, since_at: instant }).nullable().default(null),
      answer: serverAnswer.nullable().default(null),
    }),
  ),
})

const record = z.object({
  job_id: z.string().exactOptional(),
  status: z.enum(STATUSES).exactOptional(),
  content_type: z.string().min(1),
  ingestion_task_id: z.string().default(''),
  submitted_by: text,
  task_options: z.record(z.string(), z.unknown()).default({}),
  ingestion: ingestion.nullable().default(null),
  priority: z.int().default(0),
  source: z.object({
    kind: z.enum(['upload', 'path']).default('path'),
    path: text,
    filename: z.string().exactOptional(),
    size_bytes: z.number().exactOptional(),
    sha256: text,
    modified_at: instant.nullable().default(null),
  }),
  created_at: instant.exactOptional(),
  max_retries: z.int().min(0).default(3),
  retry_count: z.int().min(0).default(0),
  attempts: z.array(attempt).default([]),
  available_at: instant.exactOptional(),
  reserved: z.object({ worker_id: z.string(), until_at: instant }).nullable().default(null),
  lease: lease.exactOptional(),
  completed_at: instant.exactOptional(),
  result: result.exactOptional(),
  error: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  continuation: continuation.nullable().default(null),
})

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Ids become file names. */
export function isJobId(text: string): boolean {
  return UUID.test(text)
}

export function toRecord(job: Job): unknown {
  return toWire(job)
}

/**
 * The job of a record, in the state of its folder.
 * @throws {Error} for an invalid record.
 */
export function fromRecord(raw: unknown, jobId: string, status: Status, now: number): Job {
  if (!isJobId(jobId)) throw new Error(`'${jobId}' is not a job id (a lower-case UUID)`)
  const {
    jobId: _,
    status: __,
    source,
    lease,
    reserved,
    availableAt = now,
    completedAt = now,
    result,
    error = { code: 'internal', message: 'No reason was recorded.' },
    continuation,
    ...rest
  } = fromWire(record.parse(raw))
  const base: JobBase = {
    ...rest,
    jobId,
    ingestionTaskId: rest.ingestionTaskId || jobId,
    source: {
      ...source,
      filename: source.filename ?? path.basename(source.path ?? 'source'),
      sizeBytes: source.sizeBytes ?? sizeOf(source.path),
    },
    createdAt: rest.createdAt ?? now,
  }
  const waiting = { ...base, status: 'pending', availableAt, reserved } as const
  switch (status) {
    case 'pending':
      return waiting
    case 'processing':
      // A job without a lease is not being worked on.
      return lease === undefined || rest.attempts.length === 0
        ? waiting
        : { ...base, status, lease }
    case 'completed':
      if (result === undefined) throw new Error('a completed job needs its result')
      return { ...base, status, completedAt, continuation, result }
    case 'failed':
    case 'timeout':
      return { ...base, status, completedAt, continuation, error }
    case 'cancelled':
      return { ...base, status, completedAt, continuation }
  }
}

function sizeOf(file: string | null): number {
  return file === null ? 0 : statSync(file).size
}
