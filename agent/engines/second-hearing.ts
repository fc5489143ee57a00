import { wordErrors } from '../wer.ts'
import { isLoop } from '../speech/repeats.ts'

/** How far two hearings of the same speech differ. */
export interface Disagreement {
  /** How many words were heard, or may have been said where none were. */
  words: number
  /** How many of them were others the second time. */
  differing: number
}

/** How fast the second hearing is played. */
const SPEED = 0.93
/** Whoever speaks says so many words at least: fewer that are heard are not all that was said. */
const LEAST_WORDS_PER_SECOND = 0.7

/** Speech played slower, and lower with it. */
export function slower(samples: Float32Array): Float32Array {
  const stretched = new Float32Array(Math.floor(samples.length / SPEED))
  for (let i = 0; i < stretched.length; i++) {
    const at = i * SPEED
    const before = Math.floor(at)
    const [from = 0, to = from] = samples.subarray(before, before + 2)
    stretched[i] = from + (at - before) * (to - from)
  }
  return stretched
}

/** @param texts the same stretch of speech, heard twice; a text that goes round in circles counts as none. */
export function disagreement(texts: readonly [string, string], seconds: number): Disagreement {
  const [first, second] = texts.map((text) => (isLoop(text) ? '' : text)) as [string, string]
  const { errors, words: heard } = wordErrors(first, second)
  const { words: again } = wordErrors(second, '')
  const words = Math.max(heard, again)
  const said = Math.max(words, Math.floor(seconds * LEAST_WORDS_PER_SECOND))
  return { words: said, differing: Math.min(said, errors + said - words) }
}
