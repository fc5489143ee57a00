import type { WavReader } from '../audio/wav.ts'
import { FRAME_SECONDS } from '../audio/levels.ts'
import { fft } from '../audio/fft.ts'

const RATE = 16_000
const FRAME = RATE * FRAME_SECONDS
/** Samples that are compared at once: about a second. */
const WINDOW = 16_384
const MOST_WINDOWS = 40
/** The range of an echo's delay, in samples; clocks that differ make it come earlier. */
const LATEST = 0.4 * RATE
const EARLIEST = 0.01 * RATE
const BAND = { from: 250, to: 3400 }
/** The least correlation peak of an echo, 1 being a copy. Unrelated sounds reach CHANCE over the root of the number of bins. */
const CLEAR = 0.07
const CHANCE = 8
const AROUND = 5
const ALIKE = 0.3

/**
 * The delay, in samples, at which a sound occurs in another recording; null when it does not. By GCC-PHAT: phases are
 * compared, whatever the levels.
 * @param frames 1 for each frame in which to compare.
 */
export async function echoDelay(
  sound: WavReader,
  other: WavReader,
  frames: Uint8Array,
): Promise<number | null> {
  const starts = windowStarts(frames)
  const [re, im] = [new Float64Array(WINDOW), new Float64Array(WINDOW)]
  for (const start of starts) {
    const [a, b] = [await spectrum(sound, start), await spectrum(other, start)]
    for (let k = 0; k < WINDOW; k++) {
      if (!isInBand(k)) continue
      const real = b.re[k]! * a.re[k]! + b.im[k]! * a.im[k]!
      const imaginary = b.im[k]! * a.re[k]! - b.re[k]! * a.im[k]!
      const size = Math.hypot(real, imaginary)
      if (size === 0) continue
      re[k]! += real / size
      im[k]! += imaginary / size
    }
  }
  const compared = starts.length * re.reduce((count, _, k) => count + (isInBand(k) ? 1 : 0), 0)
  if (compared === 0) return null
  fft(re, im, true)
  let best = 0
  let delay = 0
  for (let at = -EARLIEST; at <= LATEST; at++) {
    const height = Math.abs(re[(at + WINDOW) % WINDOW]!) / compared
    if (height > best) [best, delay] = [height, at]
  }
  return best >= Math.max(CLEAR, CHANCE / Math.sqrt(compared)) ? delay : null
}

/** Of `frames`, those in which the other recording holds the delayed sound: 1, all others 0. */
export async function echoFrames(
  sound: WavReader,
  other: WavReader,
  delay: number | null,
  frames: Uint8Array,
): Promise<Uint8Array> {
  const echoes = new Uint8Array(frames.length)
  if (delay === null) return echoes
  for (const [at, isWanted] of frames.entries()) {
    if (isWanted === 0) continue
    const from = Math.max(0, (at - AROUND) * FRAME)
    const to = (at + AROUND + 1) * FRAME
    const received = await other.read(from, to)
    const sent = await sound.read(Math.max(0, from - delay), Math.max(0, to - delay))
    if (correlation(sent, received) >= ALIKE) echoes[at] = 1
  }
  return echoes
}

/** Where windows begin, at requested frames, without overlaps. */
function windowStarts(frames: Uint8Array): number[] {
  const starts: number[] = []
  let free = 0
  for (const [at, isWanted] of frames.entries()) {
    if (isWanted === 0 || at * FRAME < free) continue
    starts.push(at * FRAME)
    free = at * FRAME + WINDOW
  }
  const step = Math.max(1, starts.length / MOST_WINDOWS)
  return Array.from({ length: Math.min(starts.length, MOST_WINDOWS) }, (_, i) => {
    return starts[Math.floor(i * step)]!
  })
}

async function spectrum(
  recording: WavReader,
  start: number,
): Promise<{ re: Float64Array; im: Float64Array }> {
  const samples = await recording.read(start, start + WINDOW)
  const re = new Float64Array(WINDOW)
  for (const [i, sample] of samples.entries()) {
    re[i] = sample * Math.sin((Math.PI * i) / WINDOW) ** 2
  }
  const im = new Float64Array(WINDOW)
  fft(re, im)
  return { re, im }
}

function isInBand(k: number): boolean {
  const frequency = (Math.min(k, WINDOW - k) * RATE) / WINDOW
  return frequency >= BAND.from && frequency <= BAND.to
}

/** Of the differences from sample to sample: low vowels are all alike. */
function correlation(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 1; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]! - a[i - 1]!, b[i]! - b[i - 1]!]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? Math.abs(ab) / Math.sqrt(aa * bb) : 0
}
