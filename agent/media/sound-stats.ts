interface ChannelStats {
  /** Of its loud moments, in dB below full scale; -Infinity for silence. */
  level: number
  /** The largest sample; above 1 only in floating-point formats. */
  peak: number
}

export interface SoundStats {
  channels: ChannelStats[]
  /** Of two channels (row, column): the mean product of their samples. */
  covariance: Float64Array[]
}

/** In Hz: speech is below half of that. */
export const MEASURED_RATE = 8000
const FRAME = MEASURED_RATE / 10
/** Levels are counted in steps of 1 dB from here up. */
const FLOOR = -120
const STEPS = 180
/** Loud moments are this share of what is audible, and at least this many frames: clicks are shorter. */
const LOUD_SHARE = 0.01
const LOUD_FRAMES = { least: 3, most: 10 }
/** The noise of 16-bit samples. */
const AUDIBLE = -90
/** With more pairs of channels, proportionally fewer frames are compared. */
const MOST_PAIRS = 64

/** Measures a track from its samples: 32-bit floating-point, little-endian, interleaved. */
export class SoundMeter {
  readonly #channels: number
  /** A tenth of a second. */
  readonly #frame: Float32Array
  readonly #counts: Uint32Array[]
  readonly #peaks: Float64Array
  readonly #products: Float64Array[]
  readonly #every: number
  #filled = 0
  #frames = 0
  #compared = 0
  #rest: Buffer = Buffer.alloc(0)

  constructor(channels: number) {
    this.#channels = channels
    this.#frame = new Float32Array(channels * FRAME)
    this.#counts = Array.from({ length: channels }, () => new Uint32Array(STEPS))
    this.#peaks = new Float64Array(channels)
    this.#products = Array.from({ length: channels }, () => new Float64Array(channels))
    this.#every = Math.ceil((channels * channels) / MOST_PAIRS)
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const whole = bytes.length - (bytes.length % 4)
    // A view has to begin at a multiple of four.
    const samples = new Float32Array(Uint8Array.from(bytes.subarray(0, whole)).buffer)
    for (let at = 0; at < samples.length;) {
      const part = samples.subarray(at, at + this.#frame.length - this.#filled)
      this.#frame.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === this.#frame.length) this.#endFrame()
    }
    this.#rest = Buffer.from(bytes.subarray(whole))
  }

  /** A partial last frame counts only when it is the only one. */
  stats(): SoundStats {
    if (this.#frames === 0 && this.#filled > 0) this.#endFrame()
    return {
      channels: this.#counts.map((counts, i) => ({
        level: loudLevel(counts),
        peak: this.#peaks[i]!,
      })),
      covariance: this.#products.map((row) =>
        row.map((sum) => sum / Math.max(1, this.#compared * FRAME)),
      ),
    }
  }

  #endFrame(): void {
    const frame = this.#frame.fill(0, this.#filled)
    this.#filled = 0
    for (let channel = 0; channel < this.#channels; channel++) {
      let sum = 0
      let peak = this.#peaks[channel]!
      for (let at = channel; at < frame.length; at += this.#channels) {
        let sample = frame[at]!
        // Damaged files may hold NaN.
        if (!Number.isFinite(sample)) sample = frame[at] = 0
        sum += sample * sample
        if (sample > peak) peak = sample
        else if (-sample > peak) peak = -sample
      }
      this.#peaks[channel] = peak
      const level = 10 * Math.log10(sum / FRAME)
      const step = Math.min(STEPS - 1, Math.round(level) - FLOOR)
      if (level >= AUDIBLE) this.#counts[channel]![step]!++
    }
    if (this.#frames++ % this.#every === 0) this.#compare()
  }

  #compare(): void {
    const channels = this.#channels
    this.#compared++
    for (let a = 0; a < channels; a++) {
      for (let b = a; b < channels; b++) {
        let sum = 0
        for (let at = 0; at < this.#frame.length; at += channels) {
          sum += this.#frame[at + a]! * this.#frame[at + b]!
        }
        this.#products[a]![b]! += sum
        if (a !== b) this.#products[b]![a]! += sum
      }
    }
  }
}

function loudLevel(counts: Uint32Array): number {
  const audible = counts.reduce((sum, count) => sum + count, 0)
  if (audible === 0) return -Infinity
  const { least, most } = LOUD_FRAMES
  let left = Math.min(
    most,
    Math.max(least, Math.floor(audible * LOUD_SHARE)),
    Math.floor(audible / 4),
  )
  for (let step = STEPS - 1; step >= 0; step--) {
    left -= counts[step]!
    if (left < 0) return step + FLOOR
  }
  return FLOOR
}
