import { z } from 'zod'
import { capabilities, device, pausedSlot } from './announcement.ts'
import type { FromWire } from './keys.ts'
import { continuationAnswer } from './wire-ingestion.ts'
import { DIRECTIVES, statusAnswer } from './wire.ts'

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
  /** What no connected worker has that a waiting job requires, in words. */
  waiting_for: z.string().nullable(),
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
