import { wordErrors } from '../../wer.ts'
import { wordsIn } from '../../quality/words.ts'

export interface Disagreement {
  /** Words recognised, or the least that so much speech holds. */
  words: number
  /** Words that differ in the other pass, or repeat earlier ones: invented text goes in circles. */
  differing: number
}

export interface Doubt extends Disagreement {
  /** Of a stretch far from there; absent where the piece has no other. */
  elsewhere?: Disagreement
}

export const SPEEDS = [0.93, 1.07]
/** A repetition is this many words in a row that came before. */
const PHRASE = 3
/** The least that speech holds: fewer words are not all that was said. */
const LEAST_WORDS_PER_SECOND = 0.7

/** Resampled: faster speech is higher, slower speech lower. */
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

/** @param texts of two passes over the same speech. */
export function disagreement(texts: readonly [string, string], seconds: number): Disagreement {
  const { errors, words: first } = wordErrors(...texts)
  const { words: again } = wordErrors(texts[1], '')
  const words = Math.max(first, again)
  const said = Math.max(words, Math.floor(seconds * LEAST_WORDS_PER_SECOND))
  const differing = errors + repeated(wordsIn(texts[0]), wordsIn(texts[1])) + said - words
  return { words: said, differing: Math.min(said, differing) }
}

/**
 * Words that end a phrase that came before. One that comes twice in both passes was said twice: people repeat a
 * sentence, a model that invents one goes on repeating it, or repeats another.
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
