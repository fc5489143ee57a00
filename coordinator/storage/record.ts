import { statSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { fromWire, toWire } from '../../shared/keys.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { opaque } from '../../shared/wire-fields.ts'
import { storedContinuation } from '../job/continuation.ts'
import { instant, instantOrNull, stored, textOrNull } from '../job/fields.ts'
import { storedIngestion } from '../job/ingestion.ts'
import {
  SOURCE_KINDS,
  storedAttempt,
  storedLease,
  storedOrigin,
  storedResult,
  type Job,
  type JobBase,
} from '../job/job.ts'

/**
 * A job as in its file and its journal line. Most keys have defaults, so that a file written by hand works:
 * `{"content_type": "audio", "source": {"path": "/media/talk.mp3"}}` in `pending/<uuid>.json`.
 */
const record = stored({
  job_id: z.string().exactOptional(),
  status: z.enum(STATUSES).exactOptional(),
  content_type: z.string().min(1),
  ingestion_task_id: z.string().default(''),
  submitted_by: textOrNull,
  task_options: opaque.default({}),
  ingestion: storedIngestion.nullable().default(null),
  priority: z.int().default(0),
  source: stored({
    kind: z.enum(SOURCE_KINDS).default('path'),
    path: textOrNull,
    filename: z.string().exactOptional(),
    size_bytes: z.number().exactOptional(),
    sha256: textOrNull,
    modified_at: instantOrNull,
    origin: storedOrigin.exactOptional(),
  }),
  created_at: instant.exactOptional(),
  max_retries: z.int().min(0).default(3),
  retry_count: z.int().min(0).default(0),
  attempts: z.array(storedAttempt).default([]),
  earlier_work_ms: z.number().exactOptional(),
  available_at: instant.exactOptional(),
  reserved: z.object({ worker_id: z.string(), until_at: instant }).nullable().default(null),
  lease: storedLease.exactOptional(),
  completed_at: instant.exactOptional(),
  result: storedResult.exactOptional(),
  error: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  continuation: storedContinuation.nullable().default(null),
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
