import { z } from 'zod'
import type { FromWire } from './keys.ts'

/**
 * What an agent says of itself in every heartbeat, as it is on the wire. All of it may be absent: what was not said is
 * not known, and a job that requires something is handed only to those who said that they have it.
 */

const word = z.string().trim().min(1).max(100)
const words = z.array(word).max(500)

/** What this agent can do. A job's `requires` is compared with it. */
export const capabilities = z.object({
  /** Names as `--engine` has them. */
  engines: words,
  models: words,
  /** Primary subtags (`de`); null: any language. */
  languages: words.nullable(),
  /** `diarize`, `translate`, `words`, … */
  features: words,
})
export type Capabilities = FromWire<z.output<typeof capabilities>>

/** One device that an engine may run on. */
export const device = z.object({
  /** Its place in the driver's own order; null where there is none. */
  index: z.int().min(0).nullable(),
  name: z.string().max(500),
  memory_mb: z.number().min(0).nullable(),
  driver: z.string().max(200).nullable(),
  /** `cuda`, `rocm`, `metal`, `cpu`, … */
  kind: z.string().max(50),
})
export type Device = FromWire<z.output<typeof device>>

/** A slot that takes no work for the time being. */
export const pausedSlot = z.object({
  slot: z.int().min(0).max(10_000),
  reason: z.string().max(2_000),
  /** ISO 8601; null: until somebody looks after it. */
  until: z.string().max(100).nullable(),
})
export type PausedSlot = FromWire<z.output<typeof pausedSlot>>
