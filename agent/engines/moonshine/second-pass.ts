import { wordErrors } from '../../wer.ts'
import { wordsIn } from '../../quality/words.ts'

/** How far the hearings of the same speech differ. */
export interface Disagreement {
  /** How many words were heard, or may have been said where none were. */
  words: number
  /** How many of them were others another time, or were said before: what is invented goes round in circles. */
  differing: number
}

/** What two hearings of some of a piece say of it. */
export interface Doubt extends Disagreement {
  /** The same of a stretch far from there; left out where the piece has no other. */
  elsewhere?: Disagreement
}

/** How fast the other hearings are played. */
export const SPEEDS = [0.93, 1.07]
/** So many words in a row that were said before are a repetition. */
const PHRASE = 3
/** Whoever speaks says so many words at least: fewer that are heard are not all that was said. */
const LEAST_WORDS_PER_SECOND = 0.7

/** Speech played faster or slower, and higher or lower with it. */
export function playedAt(speed: number, samples: Float32Array): Float32Array {
  const played = new Float32Array(Math.floor(samples.length / speed))
  for (let i = 0; i < played.length; i++) {
    const at = i * speed
    const before = Math.floor(at)
    const from = samples[before] ?? 0
    played[i] = from + (at - before) * ((samples[before + 1] ?? from) - from)
  }
  return played
}

/** @param texts the same stretch of speech, heard twice. */
export function disagreement(texts: readonly [string, string], seconds: number): Disagreement {
  const { errors, words: heard } = wordErrors(...texts)
  const { words: again } = wordErrors(texts[1], '')
  const words = Math.max(heard, again)
  const said = Math.max(words, Math.floor(seconds * LEAST_WORDS_PER_SECOND))
  const differing = errors + repeated(wordsIn(texts[0]), wordsIn(texts[1])) + said - words
  return { words: said, differing: Math.min(said, differing) }
}

/**
 * How many words end a phrase that was said before. What is said twice both times that it is heard was said twice: people
 * repeat a sentence, and a model that invents one goes on and on, or repeats another.
 */
function repeated(words: readonly string[], again: readonly string[]): number {
  const others = countsOf(phrasesOf(again))
  const said = new Map<string, number>()
  let count = 0
  for (const phrase of phrasesOf(words)) {
    const before = said.get(phrase) ?? 0
    if (before >= 2 || (before === 1 && (others.get(phrase) ?? 0) < 2)) count++
    said.set(phrase, before + 1)
  }
  return count
}

function phrasesOf(words: readonly string[]): string[] {
  return words.slice(PHRASE - 1).map((_, at) => words.slice(at, at + PHRASE).join(' '))
}

function countsOf(phrases: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const phrase of phrases) counts.set(phrase, (counts.get(phrase) ?? 0) + 1)
  return counts
}
