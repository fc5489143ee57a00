import { parametersOf } from '../model-name.ts'

/** What faster-whisper takes beside the weights: libraries, and the buffers of one window (its README, large-v2). */
const FIXED_MB = 1400
/** Of each window in a batch, for a large model (the same table: 4525 MB for one, 6090 MB for eight). */
const LARGE_WINDOW_MB = 225
const LARGE = 1550
/** The share of the free memory that is used: others use the GPU as well. */
const USED = 0.9
/** Larger batches are hardly faster, and say less of their progress. */
const LARGEST = 16
/** Where the driver does not say how much is free. */
const UNKNOWN = 8

/**
 * How many windows faster-whisper recognises at once on a GPU: a power of two up to 16. It is where the out-of-memory
 * fallback begins, and an estimate: the fallback settles it.
 * @param freeMb of the GPU, in MiB, before the model is loaded; null: unknown.
 */
export function batchSizeFor(
  model: string,
  computeType: string | null,
  freeMb: number | null,
): number {
  if (freeMb === null) return UNKNOWN
  const millions = parametersOf(model) ?? LARGE
  const weightsMb = (millions * 1e6 * bytesOf(computeType)) / 1024 ** 2
  const windowMb = (LARGE_WINDOW_MB * millions) / LARGE
  const windows = (freeMb * USED - weightsMb - FIXED_MB) / windowMb
  return 2 ** Math.floor(Math.log2(Math.min(LARGEST, Math.max(1, windows))))
}

/** Of a weight. `default` and `auto` follow the model, which is mostly in float16. */
function bytesOf(computeType: string | null): number {
  if (computeType?.startsWith('int8')) return 1
  return computeType === 'float32' ? 4 : 2
}
