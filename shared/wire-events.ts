import { z } from 'zod'
import { jobSummary, workerAnswer } from './wire-answers.ts'
import { STATUSES } from './wire.ts'

/**
 * `GET /events`: server-sent events. First a `snapshot`, then what changes, always whole and as it is by then: states in
 * between may be left out. A `job` or `worker` with `removed` is gone.
 */

const counts = z.object(
  Object.fromEntries(STATUSES.map((status) => [status, z.int()])) as Record<
    (typeof STATUSES)[number],
    z.ZodInt
  >,
)

const queueOfType = z.object({
  /** `other` stands for all that are rarer than the first fifty. */
  content_type: z.string(),
  counts,
  /** When the job was made that waits longest. */
  oldest_waiting_at: z.string().nullable(),
  /** Workers that are here and take such jobs. */
  workers: z.int(),
  /** How many jobs these do at a time. */
  slots: z.int(),
  /** How long what waits and runs will take; null when nothing is known to go by, or nobody is here. */
  drain_seconds: z.number().nullable(),
})

/** Event `queue`: how much there is to do, at most one per second and at least one in 15. */
export const queueEvent = z.object({
  counts,
  types: z.array(queueOfType),
  /** Calls that wait for work. */
  waiting_claims: z.int(),
  /** Why the coordinator takes no changes, or why the folders are behind; null: all is well. */
  failure: z.string().nullable(),
  /** Of the data folder's file system; null: not known. */
  disk: z.object({ free_bytes: z.number(), size_bytes: z.number() }).nullable(),
})

/** Event `snapshot`. */
export const snapshotEvent = z.object({
  version: z.string(),
  now_at: z.string(),
  /** A worker that was not heard of for longer is not here. */
  worker_lost_after_seconds: z.number(),
  queue: queueEvent,
  workers: z.array(workerAnswer),
  /** The newest two hundred. */
  jobs: z.array(jobSummary),
})

/** Event `job`. */
export const jobEvent = z.union([
  jobSummary,
  z.object({ job_id: z.string(), removed: z.literal(true) }),
])

/** Event `worker`. */
export const workerEvent = z.union([
  workerAnswer,
  z.object({ worker_id: z.string(), removed: z.literal(true) }),
])
