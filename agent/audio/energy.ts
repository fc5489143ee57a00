import { extremes, FRAME_SECONDS, readLevels } from './energies.ts'
import type { Span } from './span.ts'

const frames = (seconds: number): number => Math.round(seconds / FRAME_SECONDS)

/** Below this nobody speaks: it is quieter than a quiet room recorded with a good microphone. */
const AUDIBLE = -75
/** What is there all the time is the quietest that was heard within so many seconds before and after. */
const FLOOR_REACH = frames(5)
/** Sound is louder than that by so many dB. */
const ABOVE_FLOOR = 8
/** Sound that stays within so many dB for so long is a tone or a noise: syllables rise and fall. */
const STEADY_RANGE = 4
const STEADY = frames(0.5)
/** Sound goes on for so long after the last loud frame, and begins so long before the first. */
const HANGOVER = frames(0.5)
const LEAD = frames(0.2)
/** Some noises crackle: a level is the mean of it and so many before and after it. */
const SMOOTH = 2
/** Less loudness than this in all is a click. */
const LEAST = frames(0.25)

/**
 * Where in a 16 kHz mono WAV file something is to be heard that stands out from its surroundings and is neither a steady
 * tone nor a steady noise: what is there in place of `findSpeech` where no model is. Music counts as sound.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function findSound(
  wavPath: string,
  options: { signal: AbortSignal; onProgress?: (seconds: number) => void },
): Promise<Span[]> {
  return soundIn(await readLevels(wavPath, options))
}

/** The same, from the level of each frame. A last frame that is cut short counts as a whole one. */
export function soundIn(levels: Float32Array): Span[] {
  const loud = loudFrames(smooth(levels))
  const spans: Span[] = []
  for (let at = 0; at < loud.length;) {
    if (loud[at] === 0) {
      at++
      continue
    }
    let last = at
    let count = 0
    for (let next = at; next < loud.length && next - last <= HANGOVER + LEAD + 1; next++) {
      if (loud[next] === 0) continue
      last = next
      count++
    }
    if (count >= LEAST) {
      const end = Math.min(last + 1 + HANGOVER, loud.length)
      spans.push({ start: seconds(Math.max(0, at - LEAD)), end: seconds(end) })
    }
    at = last + 1
  }
  return spans
}

function smooth(levels: Float32Array): Float32Array {
  const powers = levels.map((level) => 10 ** (level / 10))
  return powers.map((_, at) => {
    const around = powers.subarray(Math.max(0, at - SMOOTH), at + SMOOTH + 1)
    return 10 * Math.log10(around.reduce((sum, power) => sum + power, 0) / around.length)
  })
}

function loudFrames(levels: Float32Array): Uint8Array {
  const floor = extremes(levels, FLOOR_REACH, FLOOR_REACH, false)
  const loud = new Uint8Array(levels.length)
  for (const [at, level] of levels.entries()) {
    if (level >= Math.max(AUDIBLE, floor[at]! + ABOVE_FLOOR)) loud[at] = 1
  }
  const least = extremes(levels, 0, STEADY - 1, false)
  const most = extremes(levels, 0, STEADY - 1, true)
  for (let at = 0; at + STEADY <= levels.length; at++) {
    if (most[at]! - least[at]! < STEADY_RANGE) loud.fill(0, at, at + STEADY)
  }
  return loud
}

function seconds(frame: number): number {
  return Math.round(frame * FRAME_SECONDS * 1000) / 1000
}
