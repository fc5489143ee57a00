import { z } from 'zod'
import { capabilities, device, pausedSlot } from './announcement.ts'
import type { FromWire } from './keys.ts'
import { estimateBasis, opaque } from './wire-fields.ts'
import { continuationAnswer } from './wire-ingestion.ts'
import { DIRECTIVES, OUTCOMES, statusAnswer, STATUSES } from './wire.ts'

/** Answers that our programs do not read themselves, as they are on the wire: people, pages and scripts do. */

const instant = z.iso.datetime()

/** A job as lists and events show it. Its place in the queue is left out: it would have to be counted for each. */
export const jobSummary = statusAnswer.extend({
  content_type: z.string(),
  filename: z.string(),
  size_bytes: z.number(),
  ingestion_task_id: z.string(),
  priority: z.int(),
  max_retries: z.int(),
  /** While it waits: not before then. */
  available_at: instant.nullable(),
  /** While nobody who is here can do a waiting job: who could, in words. */
  waiting_for: z.string().nullable(),
  estimate_basis: estimateBasis.nullable(),
  /** How long the recording is, where its worker has said so. */
  media_seconds: z.number().nullable(),
  /** How much of it is done. */
  processed_seconds: z.number().nullable(),
  /** How long its worker took for the result. */
  processing_seconds: z.number().nullable(),
  /** What follows its end, and how far that is. */
  continuation: continuationAnswer.nullable(),
})
export type JobSummary = FromWire<z.output<typeof jobSummary>>

/** A worker as it was last heard of. */
export const workerAnswer = z.object({
  worker_id: z.string(),
  state: z.enum(['idle', 'running', 'draining']).nullable(),
  version: z.string().nullable(),
  slots: z.int(),
  device: z.string().nullable(),
  /** Null: it has not said. */
  capabilities: capabilities.nullable(),
  devices: z.array(device),
  /** Slots that take no work for now. */
  paused: z.array(pausedSlot),
  content_types: z.array(z.string()),
  first_seen_at: instant,
  last_seen_at: instant,
  /** What it is told to do. */
  directive: z.enum(DIRECTIVES),
  /** Why it gets nothing for now that others can do. */
  set_aside: z.object({ until: z.string(), reason: z.string() }).nullable(),
  jobs: z.array(
    z.object({
      job_id: z.string(),
      filename: z.string(),
      stage: z.string().nullable(),
      progress: z.number().nullable(),
      started_at: instant,
    }),
  ),
})
export type WorkerAnswer = FromWire<z.output<typeof workerAnswer>>

/** `GET /remote-jobs/`. */
export const listAnswer = z.object({
  jobs: z.array(jobSummary),
  /** Null: these were the last. */
  next_cursor: z.string().nullable(),
})

const attempt = z.object({
  number: z.int(),
  worker_id: z.string(),
  /** False for a worker of the original protocol. */
  leased: z.boolean(),
  started_at: instant,
  ended_at: instant.nullable(),
  outcome: z.enum(OUTCOMES).nullable(),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
})

/** `GET /remote-jobs/{id}`: all about a job but its transcript. What is named like a secret is left out. */
export const jobAnswer = statusAnswer.extend({
  content_type: z.string(),
  ingestion_task_id: z.string(),
  task_options: opaque,
  priority: z.int(),
  source: z.object({
    kind: z.enum(['upload', 'path']),
    filename: z.string(),
    size_bytes: z.number(),
    sha256: z.string().nullable(),
  }),
  max_retries: z.int(),
  available_at: instant.nullable(),
  waiting_for: z.string().nullable(),
  estimate_basis: estimateBasis.nullable(),
  lease: z
    .object({
      expires_at: instant.nullable(),
      deadline_at: instant,
      processed_seconds: z.number().nullable(),
    })
    .nullable(),
  attempts: z.array(attempt),
  result: z
    .object({
      processing_seconds: z.number().nullable(),
      media_seconds: z.number().nullable(),
    })
    .nullable(),
  /** What a client of `POST /process` asked for. */
  ingestion: z
    .object({
      mode: z.string(),
      /** It is processed by the coordinator itself. */
      local: z.boolean(),
      source_type: z.string(),
      media_type: z.string().nullable(),
      document_id: z.string().nullable(),
      metadata: opaque,
      processing_options: opaque,
      ingest_options: opaque,
    })
    .nullable(),
  /** Where the news of its end goes: the origin alone. */
  webhook: z.string().nullable(),
  continuation: continuationAnswer.nullable(),
})

export type JobAnswer = FromWire<z.output<typeof jobAnswer>>

/** `GET /remote-jobs/{id}/result`. */
export const transcriptAnswer = z.object({
  job_id: z.string(),
  /** Markdown. */
  content: z.string(),
  metadata: opaque,
  /** Seconds. */
  processing_time: z.number().nullable(),
})

const polledJob = z.object({
  job_id: z.string(),
  source_file_url: z.string(),
  content_type: z.string(),
  task_options: opaque,
})

/** `GET /remote-jobs/poll`: all null when there is no job; with a `max_jobs` of more than one, all in `jobs`, too. */
export const pollAnswer = z.object({
  job_id: z.string().nullable(),
  source_file_url: z.string().nullable(),
  content_type: z.string().nullable(),
  task_options: opaque.nullable(),
  jobs: z.array(polledJob).exactOptional(),
})

/** `PUT /remote-jobs/{id}/artifacts/{name}`. */
export const artifactAnswer = z.object({
  name: z.string(),
  size_bytes: z.number(),
  sha256: z.string(),
})

/** `GET /remote-jobs/{id}/artifacts`. */
export const artifactsAnswer = z.object({
  artifacts: z.array(
    z.object({ name: z.string(), size_bytes: z.number(), content_type: z.string() }),
  ),
})

/** `POST /remote-jobs/{id}/continuation/retry`. */
export const continuationRetryAnswer = z.object({
  job_id: z.string(),
  status: z.enum(STATUSES),
  continuation: continuationAnswer,
})

/** `DELETE /remote-jobs/{id}`. */
export const removedAnswer = z.object({
  job_id: z.string(),
  removed: z.literal(true),
  freed_bytes: z.number(),
})

/** `POST /remote-jobs/cleanup`. */
export const cleanupAnswer = z.object({
  expired: z.int(),
  removed: z.int(),
  freed_bytes: z.number(),
})

/** `DELETE /workers/{id}`. */
export const removedWorkerAnswer = z.object({ worker_id: z.string(), removed: z.literal(true) })

/** `GET /workers`. */
export const workersAnswer = z.object({ workers: z.array(workerAnswer) })

/** `GET /health`. */
export const coordinatorHealth = z.object({
  status: z.enum(['ok', 'failing']),
  version: z.string(),
  /** What is wrong, if something is. */
  detail: z.string().nullable(),
  jobs: z.record(z.enum(STATUSES), z.int()),
  waiting_claims: z.int(),
  quarantined: z.int(),
})

/** `GET /ready`. */
export const readyAnswer = z.object({
  status: z.enum(['ready', 'not ready']),
  detail: z.string().exactOptional(),
})

/** A refusal of what does not fit names every problem. */
export const refusalAnswer = z.object({
  detail: z.union([
    z.string(),
    z.array(
      z.object({
        loc: z.array(z.union([z.string(), z.number()])),
        msg: z.string(),
        type: z.string(),
      }),
    ),
  ]),
  code: z.string(),
})
