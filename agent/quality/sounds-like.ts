import { setImmediate as turn } from 'node:timers/promises'
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
const SEGMENTS_PER_TURN = 50

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
 * for any other. A long recording and a long vocabulary take seconds: the event loop turns meanwhile.
 */
export async function likeTerms(
  segments: readonly Segment[],
  vocabulary: readonly Term[],
): Promise<LikeTerm[]> {
  const byLength = new Map<number, Sounding[]>()
  for (const { term } of vocabulary) {
    const one = sounding(term, tokensIn(term).length)
    if (one.sound.length < LEAST_SOUNDS) continue
    byLength.set(one.sound.length, [...(byLength.get(one.sound.length) ?? []), one])
  }
  const found = new Map<string, LikeTerm>()
  const sounds = new Map<string, string>()
  for (const [at, { text }] of segments.entries()) {
    if (at % SEGMENTS_PER_TURN === 0) await turn()
    for (const [term, { heard, unlike }] of nearestIn(phrasesIn(text, sounds), byLength)) {
      if (unlike === 0 && heard.toLowerCase() === term.toLowerCase()) continue
      const key = JSON.stringify([term, heard.toLowerCase()])
      const before = found.get(key)
      if (before === undefined) found.set(key, { term, heard, unlike, segments: [at] })
      else before.segments.push(at)
    }
  }
  return [...found.values()].toSorted((a, b) => a.unlike - b.unlike)
}

/** All that is said in up to so many words. @param sounds of words, by their lower case; new ones are added. */
function phrasesIn(text: string, sounds: Map<string, string>): Sounding[] {
  const tokens = tokensIn(text)
  const each = tokens.map(({ folded }) => {
    const sound = sounds.get(folded) ?? soundOf(folded)
    sounds.set(folded, sound)
    return sound
  })
  return tokens.flatMap((first, i) =>
    tokens
      .slice(i, i + 1 + MORE_WORDS)
      .map((last, more) =>
        sounding(text.slice(first.start, last.end), more + 1, each.slice(i, i + more + 1)),
      )
      .filter((phrase) => !/[.!?,;:]\s/.test(phrase.text)),
  )
}

/** By term, the phrase that is most like it; one that is the term itself is the nearest. */
function nearestIn(
  phrases: readonly Sounding[],
  byLength: ReadonlyMap<number, readonly Sounding[]>,
): Map<string, Pick<LikeTerm, 'heard' | 'unlike'>> {
  const best = new Map<string, Pick<LikeTerm, 'heard' | 'unlike'>>()
  for (const phrase of phrases) {
    const { length } = phrase.sound
    const longest = Math.floor(length / (1 - MOST_UNLIKE))
    for (let size = Math.ceil(length * (1 - MOST_UNLIKE)); size <= longest; size++) {
      const longer = Math.max(size, length)
      // A change of a letter changes two bits at most.
      const mostBits = 2 * MOST_UNLIKE * longer
      for (const term of byLength.get(size) ?? []) {
        if (bits(term.letters ^ phrase.letters) > mostBits) continue
        if (phrase.words > term.words + MORE_WORDS) continue
        const unlike = distance(term.sound, phrase.sound) / longer
        const before = best.get(term.text)
        const isTerm = phrase.text.toLowerCase() === term.text.toLowerCase()
        if (unlike <= MOST_UNLIKE && (isTerm || before === undefined || unlike < before.unlike))
          best.set(term.text, { heard: phrase.text, unlike })
      }
    }
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

/** @param parts the sounds of its words. */
function sounding(
  text: string,
  words: number,
  parts: readonly string[] = [soundOf(text)],
): Sounding {
  const sound = parts.length === 1 ? parts[0]! : parts.join('').replaceAll(/(.)\1+/g, '$1')
  let letters = 0
  for (let i = 0; i < sound.length; i++) letters |= 1 << (sound.charCodeAt(i) % 32)
  return { text, sound, letters, words }
}

/** How many bits of a whole number of 32 bits are set. */
function bits(number: number): number {
  let left = number - ((number >>> 1) & 0x55555555)
  left = (left & 0x33333333) + ((left >>> 2) & 0x33333333)
  return Math.imul((left + (left >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
