import { z } from 'zod'
import { jobSummary, statusCounts, workerAnswer } from './wire-answers.ts'
import { namedObject } from './wire-fields.ts'

/**
 * Server-sent events: first a `snapshot`, then each change as the whole object as it is by then; states in between may be
 * left out.
 */

const queueOfType = z.object({
  /** `other`: all but the fifty most frequent. */
  content_type: z.string(),
  counts: statusCounts,
  /** Creation of the oldest waiting job. */
  oldest_waiting_at: z.string().nullable(),
  /** Connected workers that take such jobs. */
  workers: z.int(),
  /** Slots of these workers together. */
  slots: z.int(),
  /** Until the queue is empty; null: no worker, or no basis for an estimate. */
  drain_seconds: z.number().nullable(),
})

/** At most one per second, at least one in 15. */
export const queueEvent = namedObject('QueueEvent', {
  counts: statusCounts,
  types: z.array(queueOfType),
  waiting_claims: z.int(),
  /** Why the coordinator takes no changes, or why its folders are behind its journal; null: healthy. */
  failure: z.string().nullable(),
  /** The data folder's file system; null: not known. */
  disk: z.object({ free_bytes: z.number(), size_bytes: z.number() }).nullable(),
})

export const snapshotEvent = namedObject('SnapshotEvent', {
  version: z.string(),
  now_at: z.string(),
  /** A worker without a request for longer counts as lost. */
  worker_lost_after_seconds: z.number(),
  queue: queueEvent,
  workers: z.array(workerAnswer),
  /** The newest 200. */
  jobs: z.array(jobSummary),
})

export const jobEvent = z
  .union([jobSummary, z.object({ job_id: z.string(), removed: z.literal(true) })])
  .meta({ id: 'JobEvent' })

/** New text of a running job: its segments from `first` on are these. As often as its agent reports. */
export const textEvent = namedObject('TextEvent', {
  job_id: z.string(),
  /** From 0. More than a reader has: it has missed some, or too many are new, and it reads all with `partial=true`. */
  first: z.int(),
  /** Up to where nothing that is said is missing, in seconds. */
  recognised_until: z.number(),
  segments: z.array(
    z.object({
      start: z.number(),
      end: z.number(),
      text: z.string(),
      speaker: z.string().nullable(),
    }),
  ),
})

export const workerEvent = z
  .union([workerAnswer, z.object({ worker_id: z.string(), removed: z.literal(true) })])
  .meta({ id: 'WorkerEvent' })
