import { z } from 'zod'
import { capabilities, device, pausedSlot } from './announcement.ts'
import type { FromWire } from './keys.ts'
import { estimateBasis, namedObject, opaque } from './wire-fields.ts'
import { continuationAnswer } from './wire-ingestion.ts'
import { DIRECTIVES, OUTCOMES, statusAnswer, STATUSES, type Status } from './wire.ts'

/** Answers as they are on the wire that the agent does not read: the dashboard, commands and clients do. */

const instant = z.iso.datetime()

export const statusCounts = z.object(
  Object.fromEntries(STATUSES.map((status) => [status, z.int()])) as Record<Status, z.ZodInt>,
)

const jobFields = {
  ...statusAnswer.shape,
  content_type: z.string(),
  ingestion_task_id: z.string(),
  priority: z.int(),
  max_retries: z.int(),
  /** A waiting job is not claimed before. */
  available_at: instant.nullable(),
  waiting_for: z.string().nullable(),
  estimate_basis: estimateBasis.nullable(),
  continuation: continuationAnswer.nullable(),
}

/** A job as lists and events show it. Without its place in the queue, which would be counted for each. */
export const jobSummary = namedObject('JobSummary', {
  ...jobFields,
  filename: z.string(),
  size_bytes: z.number(),
  /** Length of the recording, from its worker. */
  media_seconds: z.number().nullable(),
  processed_seconds: z.number().nullable(),
  processing_seconds: z.number().nullable(),
})
export type JobSummary = FromWire<z.output<typeof jobSummary>>

export const workerAnswer = namedObject('Worker', {
  worker_id: z.string(),
  state: z.enum(['idle', 'running', 'draining']).nullable(),
  version: z.string().nullable(),
  slots: z.int(),
  device: z.string().nullable(),
  /** Null: not reported. */
  capabilities: capabilities.nullable(),
  devices: z.array(device),
  paused: z.array(pausedSlot),
  content_types: z.array(z.string()),
  first_seen_at: instant,
  last_seen_at: instant,
  directive: z.enum(DIRECTIVES),
  /** The worker gets no job that another can do until then. */
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

export const listAnswer = namedObject('JobList', {
  jobs: z.array(jobSummary),
  /** Null: the last page. */
  next_cursor: z.string().nullable(),
})

const attempt = z.object({
  number: z.int(),
  worker_id: z.string(),
  /** False: by a worker of the original protocol. */
  leased: z.boolean(),
  started_at: instant,
  ended_at: instant.nullable(),
  outcome: z.enum(OUTCOMES).nullable(),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
})

/** A job without its transcript. Values named like a secret are left out. */
export const jobAnswer = namedObject('Job', {
  ...jobFields,
  task_options: opaque,
  source: z.object({
    kind: z.enum(['upload', 'path', 'url']),
    /** Of a `url` source: without name, password and query. */
    url: z.string().nullable(),
    filename: z.string(),
    size_bytes: z.number(),
    sha256: z.string().nullable(),
  }),
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
  /** The request of `POST /process`. */
  ingestion: z
    .object({
      mode: z.string(),
      /** Processed by the coordinator itself. */
      local: z.boolean(),
      source_type: z.string(),
      media_type: z.string().nullable(),
      document_id: z.string().nullable(),
      metadata: opaque,
      processing_options: opaque,
      ingest_options: opaque,
    })
    .nullable(),
  /** The origin of its webhook, without path and query. */
  webhook: z.string().nullable(),
})

export type JobAnswer = FromWire<z.output<typeof jobAnswer>>

export const transcriptAnswer = namedObject('Transcript', {
  job_id: z.string(),
  /** There where it is unfinished. */
  partial: z.literal(true).exactOptional(),
  /** Markdown. */
  content: z.string(),
  metadata: opaque,
  /** Seconds. */
  processing_time: z.number().nullable(),
})

/** The names of a transcript's speakers by label; null: not named. */
export const speakersAnswer = namedObject('Speakers', {
  job_id: z.string(),
  speaker_names: z.record(z.string(), z.string().nullable()),
})

export const removedAnswer = namedObject('RemovedJob', {
  job_id: z.string(),
  removed: z.literal(true),
  freed_bytes: z.number(),
})

export const cleanupAnswer = namedObject('CleanedUp', {
  expired: z.int(),
  removed: z.int(),
  freed_bytes: z.number(),
})
export type CleanupAnswer = FromWire<z.output<typeof cleanupAnswer>>

export const removedWorkerAnswer = namedObject('RemovedWorker', {
  worker_id: z.string(),
  removed: z.literal(true),
})

export const workersAnswer = namedObject('Workers', { workers: z.array(workerAnswer) })

export const coordinatorHealth = namedObject('Health', {
  status: z.enum(['ok', 'failing']),
  version: z.string(),
  detail: z.string().nullable(),
  jobs: statusCounts,
  waiting_claims: z.int(),
  quarantined: z.int(),
  /** Only where jobs are in one. */
  database: z.enum(['up', 'down']).exactOptional(),
})

/** A request that does not fit is refused with a list of all its problems. */
export const refusalAnswer = namedObject('Refusal', {
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

export const sessionAnswer = namedObject('Session', {
  name: z.string(),
  role: z.string(),
  /** By a cookie. */
  signed_in: z.boolean(),
})
