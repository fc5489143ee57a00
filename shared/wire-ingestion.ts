import { z } from 'zod'
import type { FromWire } from './keys.ts'
import { sourceUrl, STATUSES } from './wire.ts'
import {
  estimateBasis,
  lenientBoolean,
  namedObject,
  opaque,
  optional,
  priority,
} from './wire-fields.ts'

/** The steps that may follow a job's end: call a webhook, ingest the text into the MoRAG server, write it to a folder. */
export const STEPS = ['webhook', 'ingest', 'folder'] as const

const count = z
  .union([z.int(), z.string().regex(/^\d+$/).transform(Number)])
  .pipe(z.int().min(0).max(10_000_000))

/** `request_data` of `POST /process`, as the original's clients send it; unknown keys are ignored. */
export const processRequest = namedObject('ProcessRequest', {
  mode: optional(z.string().min(1).max(50), 'ingest'),
  source_type: optional(z.string().max(50), 'file'),
  content_type: z.string().max(200).nullish(),
  document_id: z.string().max(500).nullish(),
  /** Instead of a file, for a job of the coordinator's. */
  source_url: sourceUrl.nullish(),
  webhook_config: z
    .object({
      url: z.string().min(1).max(2_000),
      auth_token: z.string().max(10_000).nullish(),
      secret: z.string().max(1_000).nullish(),
      /** Report the progress of a running job, too. */
      progress: lenientBoolean.nullish(),
    })
    .nullish(),
  metadata: optional(opaque, {}),
  processing_options: optional(opaque, {}),
  /** The same as `metadata.remote`; the text "true" counts, too. */
  remote: z.union([z.boolean(), z.string().max(50), z.number()]).nullish(),
  priority: optional(priority, 0),
  /** From here on: for the MoRAG server, and sent to no worker. */
  replace_existing: lenientBoolean.nullish(),
  store_in_vector_db: lenientBoolean.nullish(),
  database_config: opaque.nullish(),
  databases: z.array(z.unknown()).max(100).nullish(),
  /** The same as in `processing_options`. */
  chunk_size: count.nullish(),
  chunk_overlap: count.nullish(),
  chunking_strategy: z.string().max(200).nullish(),
  language: z.string().max(50).nullish(),
})
export type ProcessRequest = FromWire<z.output<typeof processRequest>>

/** `POST /process` for a file that became a job: the original's keys, and the job's id. */
export const processAnswer = namedObject('Processed', {
  success: z.boolean(),
  mode: z.string(),
  content: z.string().nullable(),
  metadata: opaque,
  processing_time_ms: z.number(),
  task_id: z.string(),
  /** From now, or from when a fitting worker is connected. */
  estimated_time_seconds: z.number(),
  estimate_basis: estimateBasis.nullable(),
  status_url: z.string(),
  document_id: z.string().nullable(),
  error_message: z.string().nullable(),
  warnings: z.array(z.string()),
  thumbnails: z.array(z.unknown()).nullable(),
  message: z.string(),
  job_id: z.string(),
})
export type ProcessAnswer = FromWire<z.output<typeof processAnswer>>

/** `POST /ingest/file` for a file that became a job: the original's keys, and ours. */
export const ingestAnswer = namedObject('Ingested', {
  task_id: z.string(),
  status: z.literal('pending'),
  message: z.string(),
  /** Seconds, as in {@link processAnswer}. */
  estimated_time: z.number(),
  estimate_basis: estimateBasis.nullable(),
  status_url: z.string(),
  job_id: z.string(),
})
export type IngestAnswer = FromWire<z.output<typeof ingestAnswer>>

/** `DELETE /ingest/{task_id}`. */
export const taskCancelledAnswer = namedObject('TaskCancelled', {
  task_id: z.string(),
  status: z.literal('cancelled'),
  message: z.string(),
  job_id: z.string(),
})

/** The MoRAG server's answer about an ingested text; null where it has none. */
export const serverAnswer = z.object({
  api: z.string(),
  task_id: z.string().nullable(),
  document_id: z.string().nullable(),
  chunks_processed: z.int().nullable(),
  total_text_length: z.int().nullable(),
  databases_used: z.array(z.string()).nullable(),
  stages: z.array(z.object({ stage: z.string(), status: z.string(), seconds: z.number() })),
  warnings: z.array(z.string()),
})

/** A job's continuation in `GET /remote-jobs/{id}` and `GET /status/{task_id}`. */
export const continuationAnswer = namedObject('Continuation', {
  id: z.string(),
  steps: z.array(
    z.object({
      step: z.enum(STEPS),
      state: z.enum(['pending', 'done', 'failed']),
      tries: z.int(),
      next_at: z.string().nullable(),
      last_at: z.string().nullable(),
      last_error: z.string().nullable(),
      /** The MoRAG server's running task; `id` is null while its callback is waited for. */
      task: z
        .object({ api: z.string(), id: z.string().nullable(), since_at: z.string() })
        .nullable(),
      answer: serverAnswer.nullable(),
    }),
  ),
})
export type ContinuationAnswer = FromWire<z.output<typeof continuationAnswer>>

const TASK_STATES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const

/** `GET /status/{task_id}`: `status` in Celery's words, `state` in the original's own. */
export const taskAnswer = namedObject('Task', {
  task_id: z.string(),
  status: z.enum(['PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED']),
  state: z.enum(TASK_STATES),
  progress: z.number(),
  message: z.string(),
  result: z.object({ content: z.string(), metadata: opaque }).nullable(),
  error: z.string().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  completed_at: z.string().nullable(),
  /** Null when it has ended, and while no connected worker can do it. */
  estimated_completion: z.string().nullable(),
  /** Seconds, from when a fitting worker is connected; 0 when it has ended. */
  estimated_time_remaining: z.number(),
  estimate_basis: estimateBasis.nullable(),
  /** The missing worker, in words; null when one is connected. */
  waiting_for: z.string().nullable(),
  job_id: z.string(),
  job_status: z.enum(STATUSES),
  continuation: continuationAnswer.nullable(),
})
export type TaskAnswer = FromWire<z.output<typeof taskAnswer>>

/** `POST /remote-jobs/{id}/continuation/retry`; without `steps`: all that are not done. */
export const continuationRetryRequest = namedObject('ContinuationRetry', {
  steps: z.array(z.enum(STEPS)).min(1).max(20).nullish(),
})

/** A callback of the MoRAG server: the end of a task or of a chain of stages, or the progress of a step. */
export const ingestionCallback = z
  .looseObject({
    type: z.string().optional(),
    success: z.boolean().optional(),
    task_id: z.string().nullish(),
    status: z.string().optional(),
    step: z.string().optional(),
    result: z.unknown().optional(),
    error_message: z.string().nullish(),
  })
  .meta({ id: 'IngestionCallback' })

/** `taken`: it ended the ingestion; `heard`: it is a progress message, or too late. */
export const ingestionCallbackAnswer = namedObject('IngestionCallbackTaken', {
  status: z.enum(['taken', 'heard']),
})
