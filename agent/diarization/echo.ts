import type { WavReader } from '../audio/wav.ts'
import { FRAME_SECONDS } from '../audio/energies.ts'
import { fft } from '../audio/fft.ts'

const RATE = 16_000
const FRAME = RATE * FRAME_SECONDS
/** What is compared at once: about a second. */
const WINDOW = 16_384
/** So many of those are looked at, evenly spread. */
const MOST_WINDOWS = 40
/** An echo comes up to so many samples later; by a few earlier where clocks differ. */
const LATEST = 0.4 * RATE
const EARLIEST = 0.01 * RATE
/** Where speech is, in Hz: hum and hiss have nothing to do with it. */
const BAND = { from: 250, to: 3400 }
/** How clear an echo's delay is, 1 being a copy; sounds that have nothing in common come to the last, over the root of what was compared. */
const CLEAR = 0.07
const CHANCE = 8
/** Around a frame so many are compared with those that it may be an echo of. */
const AROUND = 5
/** From this correlation on they are the same sound. */
const ALIKE = 0.3

/**
 * By how many samples a sound is heard later in another recording, or null when it is not heard there: the phases of
 * both are compared (GCC-PHAT), whatever their levels are.
 * @param frames where to look: 1 for each frame in which it should be heard.
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

/** Of the frames that are asked for those in which the other recording is the sound, so much later: 1, all others 0. */
export async function echoFrames(
  sound: WavReader,
  other: WavReader,
  delay: number | null,
  frames: Uint8Array,
): Promise<Uint8Array> {
  const echoes = new Uint8Array(frames.length)
  if (delay === null) return echoes
  for (const [at, isAsked] of frames.entries()) {
    if (isAsked === 0) continue
    const from = Math.max(0, (at - AROUND) * FRAME)
    const to = (at + AROUND + 1) * FRAME
    const heard = await other.read(from, to)
    const said = await sound.read(Math.max(0, from - delay), Math.max(0, to - delay))
    if (alike(said, heard) >= ALIKE) echoes[at] = 1
  }
  return echoes
}

/** Begins of windows, at frames that are asked for, none over another. */
function windowStarts(frames: Uint8Array): number[] {
  const starts: number[] = []
  let free = 0
  for (const [at, isAsked] of frames.entries()) {
    if (isAsked === 0 || at * FRAME < free) continue
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

/** How alike two stretches are, of their differences from sample to sample: vowels are low and all alike. */
function alike(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 1; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i]! - a[i - 1]!, b[i]! - b[i - 1]!]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? Math.abs(ab) / Math.sqrt(aa * bb) : 0
}
