import { extremes, frameStart, framesIn, readLevels } from './levels.ts'
import type { Span } from '../../shared/span.ts'

/** Below this there is no speech: a quiet room recorded with a good microphone is louder. */
const AUDIBLE = -75
/** The noise floor is the quietest level within this time before and after. */
const FLOOR_REACH = framesIn(5)
/** How much louder than the floor sound is, in dB. */
const ABOVE_FLOOR = 8
/** Sound that stays within this range, in dB, for this time is a tone or a noise: syllables rise and fall. */
const STEADY_RANGE = 4
const STEADY = framesIn(0.5)
/** Added after the last loud frame and before the first. */
const HANGOVER = framesIn(0.5)
const LEAD = framesIn(0.2)
/** Some noises crackle: levels are averaged over this many frames before and after. */
const SMOOTH = 2
/** Less than this many loud frames are a click. */
const LEAST = framesIn(0.25)

/**
 * Finds sound in a 16 kHz mono WAV file that is louder than its surroundings and neither a steady tone nor a steady noise:
 * stands in for `findSpeech` where there is no model. Music counts as sound.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function findSound(
  wavPath: string,
  options: { signal: AbortSignal; onProgress?: (seconds: number) => void },
): Promise<Span[]> {
  return soundIn(await readLevels(wavPath, options))
}

/** The same, from the level of each frame. */
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
      spans.push({ start: frameStart(Math.max(0, at - LEAD)), end: frameStart(end) })
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
