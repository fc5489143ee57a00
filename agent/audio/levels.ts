import { roundToMs } from '../../shared/span.ts'
import { WavReader } from './wav.ts'

/** How long a frame is, in seconds. */
export const FRAME_SECONDS = 0.03
/** The level of a frame of digital silence, in dB. */
export const SILENT = -120

/** The number of frames in a time. */
export function framesIn(seconds: number): number {
  return Math.round(seconds / FRAME_SECONDS)
}

/** When a frame begins, in seconds. */
export function frameStart(frame: number): number {
  return roundToMs(frame * FRAME_SECONDS)
}

const SAMPLE_RATE = 16_000
const FRAME = SAMPLE_RATE * FRAME_SECONDS
/** Read from the file at once: about ten seconds. */
const BLOCK = FRAME * 333
/** Of a pre-emphasis filter, which weakens hum and rumble. */
const EMPHASIS = 0.97

/**
 * The level of each frame of a 16 kHz mono WAV file, in dB below full scale, after a filter that weakens frequencies below
 * speech. Takes four bytes a frame: 5 MB for ten hours.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function readLevels(
  wavPath: string,
  options: { signal: AbortSignal; onProgress?: ((seconds: number) => void) | undefined },
): Promise<Float32Array> {
  const { signal, onProgress } = options
  signal.throwIfAborted()
  const reader = await WavReader.open(wavPath)
  try {
    const total = reader.header.samples
    const meter = new LevelMeter(total)
    let read = 0
    for await (const block of reader.blocks(BLOCK)) {
      signal.throwIfAborted()
      // The file may be shorter than its header says.
      if (block.length === 0) break
      meter.push(block)
      read += block.length
      onProgress?.(Math.min(read, total) / SAMPLE_RATE)
    }
    return meter.levels
  } finally {
    await reader.close()
  }
}

/** Measures the levels of `readLevels` from blocks of samples, each but the last of whole frames. */
export class LevelMeter {
  readonly #levels: Float32Array
  #frame = 0
  #last = 0

  /** @param total samples. */
  constructor(total: number) {
    this.#levels = new Float32Array(Math.ceil(total / FRAME))
  }

  /** Of the frames so far. */
  get levels(): Float32Array {
    return this.#levels.subarray(0, this.#frame)
  }

  push(block: Float32Array): void {
    for (let at = 0; at < block.length && this.#frame < this.#levels.length; at += FRAME) {
      const samples = block.subarray(at, at + FRAME)
      this.#levels[this.#frame++] = levelOf(samples, this.#last)
      this.#last = samples.at(-1) ?? 0
    }
  }
}

/** `before` is the sample in front of these. */
function levelOf(samples: Float32Array, before: number): number {
  let sum = 0
  let last = before
  for (const sample of samples) {
    sum += (sample - EMPHASIS * last) ** 2
    last = sample
  }
  return sum === 0 ? SILENT : Math.max(SILENT, 10 * Math.log10(sum / samples.length))
}

/** For each level the least (with `largest`, the greatest) of those from `before` frames earlier to `after` later. */
export function extremes(
  levels: Float32Array,
  before: number,
  after: number,
  largest: boolean,
): Float32Array {
  const sign = largest ? -1 : 1
  const found = new Float32Array(levels.length)
  // Frames that can still become the least of a window, ascending in level: the first is the least of this one.
  const queue = new Int32Array(levels.length)
  let head = 0
  let tail = 0
  let next = 0
  for (let at = 0; at < levels.length; at++) {
    for (; next <= at + after && next < levels.length; next++) {
      while (tail > head && sign * levels[queue[tail - 1]!]! >= sign * levels[next]!) tail--
      queue[tail++] = next
    }
    while (queue[head]! < at - before) head++
    found[at] = levels[queue[head]!]!
  }
  return found
}
