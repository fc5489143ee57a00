import type { Segment, Transcript } from '../../shared/transcript.ts'
import type { MediaInfo } from '../media/media-info.ts'
import { SIGN, tokensIn } from '../quality/words.ts'
import { topicBorders } from './topics.ts'

/** In seconds. A chapter is a twentieth of the recording or longer, within these. */
const SHORTEST = { least: 45, most: 300 }
const LONGEST = 45 * 60
/** A word that stands in more of the recording's parts is about none of its topics. */
const MOST_PARTS = 0.5
const PARTS = 40
const LEAST_LETTERS = 3
const TITLE_WORDS = 3
/** Taken off how often a word is said: one that is said once may be misheard. */
const SAID_ONCE = 0.75
const HAS_LETTER = /\p{L}/u

/**
 * The chapters of a recording, from its text alone: see {@link topicBorders}. Each is named by its most telling words, by
 * the square root of their frequency in it and in how few chapters they stand (tf-idf). Empty where there would be only one.
 */
export function findChapters({
  segments,
  durationSeconds,
}: Pick<Transcript, 'segments' | 'durationSeconds'>): MediaInfo['chapters'] {
  const words = segments.map(wordsOf)
  const startOf = (at: number): number => segments[at]?.start ?? durationSeconds
  const least = Math.min(SHORTEST.most, Math.max(SHORTEST.least, durationSeconds / 20))
  const borders = topicBorders(telling(words), {
    isEnough: (from, to) => startOf(to) - startOf(from) >= least,
    isTooMuch: (from, to) => startOf(to) - startOf(from) >= LONGEST,
  })
  if (borders.length < 2) return []
  const titles = titlesOf(borders.map((from, i) => words.slice(from, borders[i + 1]).flat()))
  const starts = borders.map((from, i) => (i === 0 ? 0 : startOf(from)))
  return starts.map((startSeconds, i) => ({
    startSeconds,
    endSeconds: starts[i + 1] ?? durationSeconds,
    title: titles[i]!,
  }))
}

interface Word {
  text: string
  folded: string
}

/** Without numbers, very short words, and the `shouldn` of `shouldn't`. */
function wordsOf({ text }: Segment): Word[] {
  return tokensIn(text)
    .filter(({ folded }) => HAS_LETTER.test(folded) && folded.length >= leastLetters(folded))
    .filter(({ end }) => !/^['’]t\b/i.test(text.slice(end, end + 3)))
    .map(({ start, end, folded }) => ({ text: text.slice(start, end), folded }))
}

function leastLetters(word: string): number {
  return SIGN.test(word) ? LEAST_LETTERS - 1 : LEAST_LETTERS
}

/** The words that are not everywhere in the recording, as those without meaning are. */
function telling(sentences: readonly Word[][]): string[][] {
  const parts = Math.min(PARTS, Math.max(4, Math.floor(sentences.length / 10)))
  const places = new Map<string, Set<number>>()
  for (const [i, words] of sentences.entries()) {
    for (const { folded } of words) {
      const found = places.get(folded) ?? new Set()
      places.set(folded, found.add(Math.floor((i * parts) / sentences.length)))
    }
  }
  return sentences.map((words) =>
    words
      .map(({ folded }) => folded)
      .filter((word) => places.get(word)!.size <= parts * MOST_PARTS),
  )
}

function titlesOf(chapters: readonly Word[][]): string[] {
  const counts = chapters.map((words) => {
    const count = new Map<string, number>()
    for (const { folded } of words) count.set(folded, (count.get(folded) ?? 0) + 1)
    return count
  })
  const spread = new Map<string, number>()
  for (const word of counts.flatMap((count) => [...count.keys()]))
    spread.set(word, (spread.get(word) ?? 0) + 1)
  return counts.map((count, i) => {
    const score = ([word, times]: [string, number]): number =>
      Math.sqrt(times - SAID_ONCE) *
      Math.log(chapters.length / spread.get(word)!) *
      Math.log(1 + word.length)
    const chosen: string[] = []
    for (const [word] of [...count].toSorted((a, b) => score(b) - score(a))) {
      if (chosen.length === TITLE_WORDS) break
      // `agent` and `agents` are one.
      if (!chosen.some((one) => one.startsWith(word) || word.startsWith(one))) chosen.push(word)
    }
    const title = chosen.map((word) => mostWritten(chapters[i]!, word)).join(', ')
    return `${title.charAt(0).toUpperCase()}${title.slice(1)}`
  })
}

/** A name keeps its capitals; a word that begins a sentence now and then gets none. */
function mostWritten(words: readonly Word[], wanted: string): string {
  const forms = new Map<string, number>()
  for (const { text, folded } of words)
    if (folded === wanted) forms.set(text, (forms.get(text) ?? 0) + 1)
  return [...forms].toSorted(([a, x], [b, y]) => y - x || (a < b ? 1 : -1))[0]![0]
}
