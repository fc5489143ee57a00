import { distance } from 'fastest-levenshtein'
import type { Segment } from '../../shared/transcript.ts'
import type { Term } from '../../shared/vocabulary.ts'
import { tokensIn } from './words.ts'

/** Words of a transcript that sound like a term which does not stand there. */
export interface LikeTerm {
  term: string
  heard: string
  /** 0: the same sound, to {@link MOST_UNLIKE}. */
  unlike: number
  /** The segments that have them, ascending. */
  segments: number[]
}

const MOST_UNLIKE = 0.34
/** Words that a name of one is often taken for. */
const MORE_WORDS = 2
const LEAST_SOUNDS = 4

/** Letters that stand for about the same sound, in the languages of Europe. */
const SOUNDS: readonly [RegExp, string][] = [
  [/ph/g, 'f'],
  [/gh/g, ''],
  [/sch|sh|sz|cz|tz|ch(?=[ei])/g, 's'],
  [/ch|ck|qu|[cq]/g, 'k'],
  [/th/g, 't'],
  [/x/g, 'ks'],
  [/z/g, 's'],
  [/w/g, 'v'],
  [/[aeiouy]+/g, 'a'],
  [/(.)\1+/g, '$1'],
]

interface Sounding {
  text: string
  sound: string
  /** A bit for each letter. */
  letters: number
  words: number
}

/**
 * What in a transcript sounds like a term, the most similar first: by the edit distance of their consonants, with any vowel
 * for any other.
 */
export function likeTerms(segments: readonly Segment[], vocabulary: readonly Term[]): LikeTerm[] {
  const terms = vocabulary
    .map((one) => sounding(one.term, tokensIn(one.term).length))
    .filter(({ sound }) => sound.length >= LEAST_SOUNDS)
  const found = new Map<string, LikeTerm>()
  for (const [at, { text }] of segments.entries()) {
    const phrases = phrasesIn(text)
    for (const term of terms) {
      const best = nearest(term, phrases)
      if (best === null) continue
      const key = JSON.stringify([term.text, best.heard.toLowerCase()])
      const before = found.get(key)
      if (before === undefined) found.set(key, { term: term.text, ...best, segments: [at] })
      else before.segments.push(at)
    }
  }
  return [...found.values()].toSorted((a, b) => a.unlike - b.unlike)
}

/** All that is said in up to so many words. */
function phrasesIn(text: string): Sounding[] {
  const tokens = tokensIn(text)
  return tokens.flatMap((first, i) =>
    tokens
      .slice(i, i + 1 + MORE_WORDS)
      .map((last, more) => sounding(text.slice(first.start, last.end), more + 1)),
  )
}

/** Null where nothing is near enough, or the term stands there. */
function nearest(
  term: Sounding,
  phrases: readonly Sounding[],
): { heard: string; unlike: number } | null {
  let best: { heard: string; unlike: number } | null = null
  for (const phrase of phrases) {
    const longer = Math.max(term.sound.length, phrase.sound.length)
    const most = longer * Math.min(MOST_UNLIKE, best?.unlike ?? 1)
    if (Math.abs(term.sound.length - phrase.sound.length) > most) continue
    if (bits(term.letters ^ phrase.letters) > 2 * most) continue
    if (phrase.words > term.words + MORE_WORDS || /[.!?,;:]\s/.test(phrase.text)) continue
    if (phrase.text.toLowerCase() === term.text.toLowerCase()) return null
    const unlike = distance(term.sound, phrase.sound) / longer
    if (unlike <= MOST_UNLIKE && (best === null || unlike < best.unlike))
      best = { heard: phrase.text, unlike }
  }
  return best
}

/** How far two texts differ in sound: 0 to 1. */
export function unlikeness(one: string, other: string): number {
  const [a, b] = [soundOf(one), soundOf(other)]
  return distance(a, b) / Math.max(1, a.length, b.length)
}

function soundOf(text: string): string {
  const plain = text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^\p{L}]/gu, '')
  return SOUNDS.reduce((now, [letters, one]) => now.replaceAll(letters, one), plain)
}

function sounding(text: string, words: number): Sounding {
  const sound = soundOf(text)
  let letters = 0
  for (let i = 0; i < sound.length; i++) letters |= 1 << (sound.charCodeAt(i) % 32)
  return { text, sound, letters, words }
}

function bits(number: number): number {
  let count = 0
  for (let left = number; left !== 0; left &= left - 1) count += 1
  return count
}
