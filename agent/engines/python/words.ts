import { oneLine } from '../../../shared/render.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'

/** Text on one line, without control characters and fragments of broken UTF-8. */
export function clean(raw: string): string {
  return oneLine(raw.replace(/[\ufffd\p{Surrogate}]/gu, ''))
}

/** In seconds; some words lack times. */
export interface RawWord {
  word: string
  start?: number | null | undefined
  end?: number | null | undefined
  probability?: number | null | undefined
  score?: number | null | undefined
}

type Word = NonNullable<RecognisedSegment['words']>[number]

interface Loose {
  start: number | null
  end: number | null
  text: string
  /** Of its pieces; null: unknown. */
  probabilities: (number | null)[]
}

/**
 * The words of a segment, trimmed, in order and within it. A piece without a leading space belongs to the word before
 * it (`50`, `%`) where others have one; Chinese has none. A word without times, which whisperx could not align, gets
 * its share of the gap.
 */
export function wordsOf(raw: readonly RawWord[], { start, end }: RecognisedSegment): Word[] {
  const loose = joined(raw)
  const words: Word[] = []
  let last = start
  for (const [i, { text, probabilities, ...times }] of loose.entries()) {
    const from = clamp(times.start ?? last, last, end)
    const gap = gapAfter(loose.slice(i), end)
    const to = clamp(times.end ?? round(from + (gap.until - from) / gap.words), from, end)
    const probability = meanOf(probabilities)
    words.push({ start: from, end: to, text, ...(probability === null ? {} : { probability }) })
    last = to
  }
  return words
}

/** When the next word with a time begins, and the number of words until then. */
function gapAfter(rest: readonly Loose[], end: number): { until: number; words: number } {
  const next = rest.findIndex(({ start }, i) => i > 0 && start !== null)
  return next === -1
    ? { until: end, words: rest.length }
    : { until: rest[next]?.start ?? end, words: next }
}

function joined(raw: readonly RawWord[]): Loose[] {
  const spaced = raw.slice(1).some(({ word }) => /^\s/.test(word))
  const words: Loose[] = []
  for (const { word, start = null, end = null, probability, score } of raw) {
    const certainty = probability ?? score ?? null
    const text = clean(word)
    if (text === '') continue
    const before = words.at(-1)
    if (spaced && before !== undefined && !/^\s/.test(word)) {
      before.text += text
      before.end = end ?? before.end
      before.probabilities.push(certainty)
    } else {
      words.push({ start, end, text, probabilities: [certainty] })
    }
  }
  return words
}

/** 0 to 1, to three digits; null where one is unknown. */
function meanOf(probabilities: readonly (number | null)[]): number | null {
  let sum = 0
  for (const one of probabilities) {
    if (one === null) return null
    sum += clamp(one, 0, 1)
  }
  return round(sum / probabilities.length)
}

function clamp(time: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, time))
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
