import { z } from 'zod'
import type { FromWire } from './keys.ts'

/**
 * What an agent announces in every heartbeat. All of it may be absent. A job with requirements goes only to agents that
 * have announced them.
 */

const word = z.string().trim().min(1).max(100)
const words = z.array(word).max(500)

/** A job's `requires` is compared with it. */
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

export const device = z.object({
  /** In the driver's own order; null where there is none. */
  index: z.int().min(0).nullable(),
  name: z.string().max(500),
  memory_mb: z.number().min(0).nullable(),
  driver: z.string().max(200).nullable(),
  /** `cuda`, `rocm`, `metal`, `cpu`, … */
  kind: z.string().max(50),
})
export type Device = FromWire<z.output<typeof device>>

export const pausedSlot = z.object({
  slot: z.int().min(0).max(10_000),
  reason: z.string().max(2_000),
  /** ISO 8601; null: until its cause is removed. */
  until: z.string().max(100).nullable(),
})
export type PausedSlot = FromWire<z.output<typeof pausedSlot>>
