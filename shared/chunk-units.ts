import { bare, cutSegment } from './cut-segment.ts'
import { printable } from './printable.ts'
import { splitSentences } from './sentence-segments.ts'
import { endsSentence } from './sentences.ts'
import type { Chapter, Segment } from './transcript.ts'
import { UNSPACED } from './unspaced-scripts.ts'

/** A sentence of a transcript, or what an engine has written instead. */
export interface ChunkUnit extends Segment {
  /** Its place among the segments of the result, from 0. */
  segmentId: number
  /** The title of its chapter; null: before the first, or none. */
  chapter: string | null
  /** An estimate. */
  tokens: number
  /** Whether a chunk may end with it. */
  isBorder: boolean
}

/** A character of these scripts is about a token; of others, four are. */
const DENSE = new RegExp(`[${UNSPACED}\\p{sc=Hangul}\\u3000-\\u303f\\uff00-\\uffef]`, 'gu')
const CHARACTERS_PER_TOKEN = 4
/** A longer pause, in seconds, ends a sentence without a mark. */
const LONG_PAUSE = 2

/** About how many tokens an embedding model makes of a text. */
export function estimateTokens(text: string): number {
  const dense = text.match(DENSE)?.length ?? 0
  return Math.max(1, dense + Math.ceil((text.length - dense) / CHARACTERS_PER_TOKEN))
}

/**
 * The units of a transcript, by start.
 * @param mostTokens a longer unit, as of an engine without marks, is cut between words.
 */
export function unitsOf(
  segments: readonly Segment[],
  {
    chapters,
    language,
    mostTokens,
  }: {
    chapters: readonly Chapter[]
    language: string | null
    mostTokens: number
  },
): ChunkUnit[] {
  const pieces = segments.flatMap((segment, segmentId) =>
    splitSentences([segment], { language })
      .flatMap((sentence) => cutLong(sentence, mostTokens))
      .map((piece) => ({ ...piece, text: printable(piece.text), segmentId })),
  )
  const units = pieces.filter(({ text }) => text !== '').toSorted((a, b) => a.start - b.start)
  let chapter = -1
  return units.map((unit, i): ChunkUnit => {
    const next = units[i + 1]
    while (chapter + 1 < chapters.length && chapters[chapter + 1]!.start <= unit.start) chapter += 1
    return {
      ...unit,
      chapter: chapters[chapter]?.title ?? null,
      tokens: estimateTokens(unit.text),
      isBorder:
        next === undefined ||
        next.start - unit.end > LONG_PAUSE ||
        endsSentence(unit.text, next.text, unit.language ?? language),
    }
  })
}

/** Cuts a unit that is longer than a chunk into parts of like length, between words. */
function cutLong(unit: Segment, mostTokens: number): Segment[] {
  const tokens = estimateTokens(unit.text)
  if (tokens <= mostTokens) return [unit]
  const parts = Math.ceil(tokens / mostTokens)
  const total = bare(unit.text).length
  const places = placesIn(unit.text)
  const cuts = Array.from({ length: parts - 1 }, (_, i) => {
    const wanted = ((i + 1) * total) / parts
    return places.findLast((place) => place <= wanted) ?? 0
  })
  return cutSegment(unit, [...new Set(cuts)])
}

/** `Intl.Segmenter` takes time by the square of a text's length. */
const STRETCHES = /\S{1,200}/gu
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' })

/** Where words end, in characters without spaces. */
function placesIn(text: string): number[] {
  let at = 0
  return (text.match(STRETCHES) ?? []).flatMap((stretch) =>
    Array.from(segmenter.segment(stretch), ({ segment }) => (at += segment.length)),
  )
}
