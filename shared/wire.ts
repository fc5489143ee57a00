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
  namedObject,
  opaque,
  optional,
  priority,
  seconds,
  lenientSeconds,
  workerName,
} from './wire-fields.ts'

/**
 * Requests, and the answers that the agent reads, as they are on the wire. Unknown keys are ignored; clients of the
 * original send null for nothing, so optional means "absent or null". Durations are seconds.
 */

export const API = '/api/v1'

/** The stage of a prefetched attempt that waits for its slot. */
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
/** Of jobs that are over. */
export const ENDED_STATUSES = ['completed', 'failed', 'timeout', 'cancelled'] as const

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

export const createRequest = namedObject('CreateJob', {
  source_file_path: z.string().min(1).max(4_096),
  content_type: name,
  ingestion_task_id: z.string().min(1).max(500),
  task_options: optional(opaque, {}),
  priority: optional(priority, 0),
})

/** An http or https address; a name and password in it are for its server. */
export const sourceUrl = z.string().min(1).max(4_000)

export const createFromUrl = namedObject('CreateJobFromUrl', {
  source_url: sourceUrl,
  /** Left out, or `auto`: by the file's first bytes and its name. */
  content_type: name.nullish(),
  ingestion_task_id: z.string().min(1).max(500).nullish(),
  task_options: optional(opaque, {}),
  priority: optional(priority, 0),
})

export type CreateRequest = FromWire<z.output<typeof createRequest>>

/** The fields beside the `file` part of a form. */
export const uploadFields = namedObject('UploadFields', {
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

/** `status` is `pending`, unless an `Idempotency-Key` names an existing job. */
export const createdAnswer = namedObject('CreatedJob', {
  job_id: z.string(),
  status: z.string(),
  created_at: z.string(),
})

export const pollQuery = z.object({
  worker_id: workerName,
  content_types: commaList,
  max_jobs: z.coerce.number().int().min(1).max(100).default(1),
})

/** The same `claim_id` gets the same jobs again. */
export const claimRequest = namedObject('Claim', {
  worker_id: workerName,
  content_types: z.array(name).min(1).max(50),
  max_jobs: optional(z.int().min(1).max(100), 1),
  wait_seconds: optional(z.number().min(0).max(60), 0),
  claim_id: name,
  /** For a slot that is still busy: such a claim is served after all that would start at once. */
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
  /** Partial result of an earlier attempt, as its worker sent it. */
  checkpoint: opaque.nullish(),
})
export type ClaimedJob = FromWire<z.output<typeof claimedJob>>

export const claimAnswer = namedObject('ClaimedJobs', {
  jobs: z.array(claimedJob),
  retry_after_seconds: z.number(),
})

/**
 * The state of a worker and of its attempts. `progress` is the whole attempt's, 0 to 1; in the stage `waiting` it waits
 * for its slot. For `quiet_seconds` no progress is expected: the worker detects a stall itself. An absent `checkpoint` is
 * unchanged.
 */
export const heartbeatRequest = namedObject('Heartbeat', {
  /** `stopped`: the worker exits and is not reported as lost. */
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

export const heartbeatAnswer = namedObject('HeartbeatOrders', {
  directive: z.enum(DIRECTIVES),
  heartbeat_seconds: z.number(),
  jobs: z.array(z.object({ job_id: z.string(), order: z.enum(ORDERS), lease_seconds: z.number() })),
})
export type HeartbeatAnswer = FromWire<z.output<typeof heartbeatAnswer>>

/** From `lease_token` on, keys that only our agent sends. */
export const resultRequest = z.object({
  success: lenientBoolean,
  content: z.string().nullish(),
  metadata: opaque.nullish(),
  /** Cut, not refused: a refusal would lose the failure. */
  error_message: cutText(10_000).nullish(),
  processing_time: lenientSeconds.nullish(),
  lease_token: leaseToken.nullish(),
  error_code: z.string().max(100).nullish(),
  retryable: z.boolean().nullish(),
})
export type ResultRequest = FromWire<z.output<typeof resultRequest>>

export const resultAnswer = namedObject('ResultTaken', {
  status: z.enum(STATUSES),
  ingestion_continued: z.boolean(),
})

/** The first nine keys are the original's. */
export const statusAnswer = namedObject('JobStatus', {
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
  /** The worker that a waiting job needs, in words, while no connected worker can do it. */
  waiting_for: z.string().nullish(),
  estimate_basis: estimateBasis.nullish(),
})
export type StatusAnswer = FromWire<z.output<typeof statusAnswer>>

export const listQuery = z.object({
  status: z.enum(STATUSES).exactOptional(),
  content_type: name.exactOptional(),
  worker_id: name.exactOptional(),
  /** Matches the file's name, the ids and the error, without regard to case. */
  text: z.string().max(200).exactOptional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().max(200).exactOptional(),
})

export const reassignRequest = namedObject('Reassign', { worker_id: workerName.nullish() })

export const cleanupRequest = namedObject('Cleanup', {
  expire: optional(z.boolean(), true),
  older_than_days: z.number().min(0).max(100_000).nullish(),
  statuses: z.array(z.enum(ENDED_STATUSES)).max(20).nullish(),
  dry_run: optional(z.boolean(), false),
})
export type CleanupRequest = FromWire<z.output<typeof cleanupRequest>>

/** `detail` is a sentence, or the problems of a request that does not fit. */
export const errorAnswer = z.object({ detail: z.unknown(), code: z.string().nullish() })

export const registerAnswer = namedObject('Registered', {
  token: z.string(),
  name: z.string(),
  role: z.string(),
  /** Content types it may claim; null: all. */
  types: z.array(z.string()).nullable(),
})

export const healthAnswer = z.looseObject({ status: z.string(), version: z.string() })
