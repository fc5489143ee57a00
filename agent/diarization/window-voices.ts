import { z } from 'zod'
import { unitOf, type Embedding } from './cluster-voices.ts'

/**
 * What the models make of one window of a recording: all that naming its speakers needs, and small enough to be kept for
 * the next attempt.
 */
export const windowVoices = z.object({
  /** Start and end in seconds from the start of the window, as `shortened`, and a speaker of this window. */
  turns: z.array(z.tuple([z.number(), z.number(), z.int().min(0)])),
  /** The embeddings of the pieces of these turns (`packVoices`). */
  voices: z.string(),
})

export type WindowVoices = z.output<typeof windowVoices>

/**
 * A time of a model, which is a 32-bit float, in few digits. `Math.fround` gives it back: a sample more or less in a piece
 * may make another speaker.
 */
export function shortened(seconds: number): number {
  return Number(Math.fround(seconds).toPrecision(9))
}

/** Values of an embedding are numbers from -127 to 127 here: cosines change by less than 0.001. */
const MOST = 127

/**
 * Embeddings as base64, one byte for each value, one after the other.
 * @param size values of an embedding; null becomes zeros.
 */
export function packVoices(embeddings: readonly (Embedding | null)[], size: number): string {
  const bytes = new Int8Array(embeddings.length * size)
  for (const [i, embedding] of embeddings.entries()) {
    if (embedding === null) continue
    const most = embedding.reduce((max, value) => Math.max(max, Math.abs(value)), 0) || 1
    bytes.set(
      embedding.map((value) => Math.round((value / most) * MOST)),
      i * size,
    )
  }
  return Buffer.from(bytes.buffer).toString('base64')
}

/** @returns null where these are not so many embeddings of that size. */
export function unpackVoices(
  voices: string,
  count: number,
  size: number,
): (Embedding | null)[] | null {
  const bytes = new Int8Array(Buffer.from(voices, 'base64'))
  if (bytes.length !== count * size) return null
  return Array.from({ length: count }, (_, i) => {
    const values = bytes.subarray(i * size, (i + 1) * size)
    return values.some((value) => value !== 0) ? unitOf(Float32Array.from(values)) : null
  })
}
