import { z } from 'zod'
import { capabilities, device, pausedSlot } from './announcement.ts'
import { parseBounded } from './bounded-json.ts'
import type { FromWire } from './keys.ts'
import {
  commaList,
  cutText,
  estimateBasis,
  jobId,
  leaseToken,
  lenientBoolean,
  name,
  opaque,
  optional,
  priority,
  seconds,
  toldSeconds,
  workerName,
} from './wire-fields.ts'

/**
 * Every request and answer, as it is on the wire (protocol: coordinator/docs/api.md). Unknown keys are ignored; an original
 * client may send null where it has nothing, so optional means "absent or null". Durations are seconds.
 */

/** Every route is below this. */
export const API = '/api/v1'

/** The stage of an attempt that was fetched ahead and waits for its slot. */
export const WAITING_STAGE = 'waiting'

export const STATUSES = [
  'pending',
  'processing',
  'completed',
  'failed',
  'timeout',
  'cancelled',
] as const
export type Status = (typeof STATUSES)[number]

/** How an attempt can have ended. */
export const OUTCOMES = [
  'completed',
  'failed',
  'released',
  'lost',
  'timeout',
  'cancelled',
  'superseded',
  'reassigned',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/** `POST /remote-jobs/` with JSON. */
export const createRequest = z.object({
  source_file_path: z.string().min(1).max(4_096),
  content_type: name,
  ingestion_task_id: z.string().min(1).max(500),
  task_options: optional(opaque, {}),
  priority: optional(priority, 0),
})

export type CreateRequest = FromWire<z.output<typeof createRequest>>

/** `POST /remote-jobs/` as multipart: the fields beside the `file` part. */
export const uploadFields = z.object({
  content_type: name,
  ingestion_task_id: z.string().min(1).max(500).exactOptional(),
  task_options: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return parseBounded(text)
      } catch (error) {
        const message = error instanceof RangeError ? error.message : 'task_options is not JSON'
        context.addIssue({ code: 'custom', message })
        return z.NEVER
      }
    })
    .pipe(opaque),
  priority: optional(priority, 0),
})

/** `status` is `pending`, unless an `Idempotency-Key` names a job that is further. */
export const createdAnswer = z.object({
  job_id: z.string(),
  status: z.string(),
  created_at: z.string(),
})

/** `GET /remote-jobs/poll`: the original's way to take work. */
export const pollQuery = z.object({
  worker_id: workerName,
  content_types: commaList,
  max_jobs: z.coerce.number().int().min(1).max(100).default(1),
})

/** `POST /remote-jobs/claim`: the agent's way. The same `claim_id` gives the same jobs again. */
export const claimRequest = z.object({
  worker_id: workerName,
  content_types: z.array(name).min(1).max(50),
  max_jobs: optional(z.int().min(1).max(100), 1),
  wait_seconds: optional(z.number().min(0).max(60), 0),
  claim_id: name,
  /** For later, while its slot is busy: such a caller stands behind all who would begin at once. */
  prefetch: z.boolean().nullish(),
})

const source = z.object({
  url: z.string(),
  filename: z.string(),
  size_bytes: z.number(),
  sha256: z.string().nullable(),
  etag: z.string(),
})

const claimedJob = z.object({
  job_id: z.string(),
  attempt: z.int(),
  lease_token: z.string(),
  lease_seconds: z.number(),
  heartbeat_seconds: z.number(),
  deadline_seconds: z.number(),
  content_type: z.string(),
  source,
  task_options: opaque,
  /** What an earlier attempt had finished, as its worker sent it. */
  checkpoint: opaque.nullish(),
})
export type ClaimedJob = FromWire<z.output<typeof claimedJob>>

export const claimAnswer = z.object({ jobs: z.array(claimedJob), retry_after_seconds: z.number() })

/**
 * What a worker says of itself and of each attempt it works on. `progress` is the whole attempt's, 0 to 1; the stage
 * `waiting` says that the attempt waits for its slot; `quiet_seconds`, that no progress is to be expected for so long, and
 * that the worker watches that by itself. A `checkpoint` that is absent is unchanged.
 */
export const heartbeatRequest = z.object({
  /** `stopped`: it ends, and nobody is to look for it. */
  state: z.enum(['idle', 'running', 'draining', 'stopped']),
  version: z.string().max(100),
  slots: z.int().min(0).max(10_000),
  device: z.string().max(500).nullish(),
  capabilities: capabilities.nullish(),
  devices: z.array(device).max(256).nullish(),
  paused: z.array(pausedSlot).max(1_000).nullish(),
  jobs: z
    .array(
      z.object({
        job_id: jobId,
        lease_token: leaseToken,
        stage: z.string().max(50),
        progress: z.number().min(0).max(1),
        media_seconds: seconds.nullish(),
        processed_seconds: seconds.nullish(),
        quiet_seconds: seconds.nullish(),
        checkpoint: opaque.nullish(),
      }),
    )
    .max(1_000),
})
export type HeartbeatRequest = FromWire<z.output<typeof heartbeatRequest>>

export const DIRECTIVES = ['run', 'drain', 'stop'] as const
export type Directive = (typeof DIRECTIVES)[number]
const ORDERS = ['continue', 'cancel', 'superseded', 'lost'] as const
export type Order = (typeof ORDERS)[number]

export const heartbeatAnswer = z.object({
  directive: z.enum(DIRECTIVES),
  heartbeat_seconds: z.number(),
  jobs: z.array(z.object({ job_id: z.string(), order: z.enum(ORDERS), lease_seconds: z.number() })),
})
export type HeartbeatAnswer = FromWire<z.output<typeof heartbeatAnswer>>

/** `PUT /remote-jobs/{id}/result`: the original's body, and the agent's four keys more. */
export const resultRequest = z.object({
  success: lenientBoolean,
  content: z.string().nullish(),
  metadata: opaque.nullish(),
  /** Cut where it is longer, not refused: without it the failure would be lost. */
  error_message: cutText(10_000).nullish(),
  processing_time: toldSeconds.nullish(),
  lease_token: leaseToken.nullish(),
  error_code: z.string().max(100).nullish(),
  retryable: z.boolean().nullish(),
})
export type ResultRequest = FromWire<z.output<typeof resultRequest>>

export const resultAnswer = z.object({ status: z.enum(STATUSES), ingestion_continued: z.boolean() })

/** `POST /remote-jobs/{id}/release`. */
export const releaseRequest = z.object({ lease_token: leaseToken })

/** `GET /remote-jobs/{id}/status`; the first nine keys are the original's. */
export const statusAnswer = z.object({
  job_id: z.string(),
  status: z.enum(STATUSES),
  worker_id: z.string().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  completed_at: z.string().nullable(),
  error_message: z.string().nullable(),
  retry_count: z.int(),
  estimated_completion: z.string().nullable(),
  error_code: z.string().nullable(),
  stage: z.string().nullable(),
  progress: z.number().nullable(),
  queue_position: z.int().nullable(),
  attempt: z.int(),
  /** While nobody who is here can do a waiting job: who could, in words. */
  waiting_for: z.string().nullish(),
  estimate_basis: estimateBasis.nullish(),
})
export type StatusAnswer = FromWire<z.output<typeof statusAnswer>>

/** `GET /remote-jobs/`: newest first. */
export const listQuery = z.object({
  status: z.enum(STATUSES).exactOptional(),
  content_type: name.exactOptional(),
  worker_id: name.exactOptional(),
  /** In its file's name, its ids or its error, in any case. */
  text: z.string().max(200).exactOptional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).exactOptional(),
})

/** `POST /remote-jobs/{id}/reassign`. */
export const reassignRequest = z.object({ worker_id: workerName.nullish() })

/** `POST /remote-jobs/cleanup`. */
export const cleanupRequest = z.object({
  expire: optional(z.boolean(), true),
  older_than_days: z.number().min(0).max(100_000).nullish(),
  statuses: z
    .array(z.enum(['completed', 'failed', 'timeout', 'cancelled']))
    .max(20)
    .nullish(),
  dry_run: optional(z.boolean(), false),
})

/** Every refusal. `detail` is a sentence, or for a body that does not fit the list of its problems. */
export const errorAnswer = z.object({ detail: z.unknown(), code: z.string().nullish() })

/** `GET /health`. */
export const healthAnswer = z.looseObject({ status: z.string(), version: z.string() })
