import path from 'node:path'
import { z } from 'zod'
import { HOUR } from '../../shared/duration.ts'
import type { Status } from '../../shared/wire.ts'
import type { ResultBody } from '../job/job.ts'

/** As Python's `datetime.isoformat` writes it; without a zone it is UTC. */
const instant = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$/)
  .transform((text) => Date.parse(/(Z|[+-]\d{2}:?\d{2})$/.test(text) ? text : `${text}Z`))
  .refine((at) => !Number.isNaN(at))
const nullable = instant.nullish()
const text = z.string().nullish()

const original = z.looseObject({
  id: z.string().toLowerCase(),
  ingestion_task_id: text,
  source_file_path: z.string(),
  content_type: z.string().min(1),
  task_options: z.record(z.string(), z.unknown()).nullish(),
  status: text,
  worker_id: text,
  created_at: nullable,
  started_at: nullable,
  completed_at: nullable,
  error_message: text,
  result_data: z
    .looseObject({
      content: text,
      metadata: z.record(z.string(), z.unknown()).nullish(),
      processing_time: z.number().nullish(),
    })
    .nullish(),
  retry_count: z.int().min(0).nullish(),
  max_retries: z.int().min(0).nullish(),
  timeout_at: nullable,
})

export interface OriginalJob {
  jobId: string
  sourcePath: string
  record: Record<string, unknown>
  /** Present also in some jobs that are not completed. */
  result: { body: ResultBody; processingSeconds: number | null } | null
}

export function isOriginal(raw: unknown): boolean {
  return isObject(raw) && 'source_file_path' in raw && !isOurs(raw)
}

export function isOurs(raw: unknown): boolean {
  return isObject(raw) && 'source' in raw
}

function isObject(raw: unknown): raw is object {
  return typeof raw === 'object' && raw !== null
}

/**
 * Converts a job of the original system, in the state of its folder.
 * @param file size and time of its source; null if it is missing.
 * @throws {z.ZodError} for a malformed record.
 */
export function fromOriginal(
  raw: unknown,
  status: Status,
  now: number,
  file: (path: string) => Facts | null,
): OriginalJob {
  const job = original.parse(raw)
  const times = timesOf(job, now)
  const hasEnded = status !== 'pending' && status !== 'processing'
  const wasTried = status === 'processing' || (hasEnded && typeof job.started_at === 'number')
  const error = errorOf(status, job.error_message)
  const record = {
    content_type: job.content_type,
    ingestion_task_id: job.ingestion_task_id ?? '',
    task_options: job.task_options ?? {},
    source: sourceOf(job.source_file_path, file(job.source_file_path)),
    created_at: iso(times.createdAt),
    max_retries: job.max_retries ?? 3,
    retry_count: job.retry_count ?? 0,
    attempts: wasTried ? [attemptOf(job, times, hasEnded ? status : null, error)] : [],
    ...(status === 'processing' && { lease: leaseOf(times.startedAt, job.timeout_at ?? 0) }),
    ...(hasEnded && { completed_at: iso(times.endedAt) }),
    ...(error !== null && { error }),
  }
  return {
    jobId: job.id,
    sourcePath: job.source_file_path,
    record,
    result: resultOf(status, job.result_data),
  }
}

type Original = z.output<typeof original>
type Facts = { sizeBytes: number; modifiedAt: number }
type Times = { createdAt: number; startedAt: number; endedAt: number }

function timesOf(job: Original, now: number): Times {
  const createdAt = job.created_at ?? now
  const startedAt = job.started_at ?? createdAt
  return { createdAt, startedAt, endedAt: job.completed_at ?? startedAt }
}

function sourceOf(file: string, facts: Facts | null): Record<string, unknown> {
  return {
    kind: 'path',
    path: file,
    filename: path.basename(file),
    size_bytes: facts?.sizeBytes ?? 0,
    modified_at: facts === null ? null : iso(facts.modifiedAt),
  }
}

/** The original system kept only the last attempt. */
function attemptOf(
  { worker_id: workerId }: Original,
  { startedAt, endedAt }: Times,
  outcome: Status | null,
  error: { code: string; message: string } | null,
): Record<string, unknown> {
  return {
    number: 1,
    worker_id: workerId ?? 'unknown',
    leased: false,
    started_at: iso(startedAt),
    ended_at: outcome === null ? null : iso(endedAt),
    outcome,
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
  }
}

function resultOf(status: Status, data: Original['result_data']): OriginalJob['result'] {
  const content = data?.content ?? ''
  if (status !== 'completed' && content === '') return null
  const body = { content, metadata: data?.metadata ?? {} }
  return { body, processingSeconds: data?.processing_time ?? null }
}

/** An original worker has until the deadline: the original's or an hour, whichever is later. */
function leaseOf(startedAt: number, timeoutAt: number): Record<string, unknown> {
  return {
    deadline_at: iso(Math.max(timeoutAt, startedAt + HOUR)),
    moved_at: iso(startedAt),
    download_at: iso(startedAt),
    downloaded_at: iso(startedAt),
  }
}

function errorOf(
  status: Status,
  message: string | null | undefined,
): { code: string; message: string } | null {
  if (status !== 'failed' && status !== 'timeout') return null
  const code = status === 'timeout' ? 'timeout' : 'internal'
  return { code, message: message ?? 'No reason was recorded.' }
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
