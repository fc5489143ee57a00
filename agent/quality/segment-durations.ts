import type { Segment, Word } from '../../shared/transcript.ts'
import { lengthOf, type Span } from '../audio/span.ts'
import { wordCount } from './words.ts'

/** Shorter than this, in seconds, nobody can read a cue, and most players do not show it. */
const LEAST = 0.02
/** How fast what has no length is taken to be said. */
const WORDS_PER_SECOND = 3

/**
 * Segments that all have a length. One without takes the pause after it; where there is none, it shares the time of the
 * segment before (else after) it, by words. Order and texts stay.
 * @param segments ascending, none overlapping the next; @param within what they are to stay in.
 * @returns `estimated`: whether any time had to be.
 */
export function withDurations<S extends Segment>(
  segments: readonly S[],
  within: Span,
): { segments: S[]; estimated: boolean } {
  const timed = [...segments]
  let estimated = false
  for (let from = 0; from < timed.length; from++) {
    if (lengthOf(timed[from]!) >= LEAST) continue
    estimated = true
    const { start } = timed[from]!
    let to = from + 1
    while (to < timed.length && isAt(timed[to]!, start)) to++
    const run = timed.slice(from, to)
    const pause = { start, end: timed[to]?.start ?? within.end }
    const wanted = run.reduce((sum, { text }) => sum + wordsOf(text) / WORDS_PER_SECOND, 0)
    const before = timed[from - 1]
    const after = timed[to]
    if (lengthOf(pause) >= wanted) {
      timed.splice(from, run.length, ...divide({ start, end: start + wanted }, run))
    } else if (before !== undefined) {
      const end = Math.max(before.end, pause.end)
      timed.splice(from - 1, run.length + 1, ...divide({ ...before, end }, [before, ...run]))
    } else if (after !== undefined) {
      timed.splice(0, run.length + 1, ...divide({ start, end: after.end }, [...run, after]))
    } else {
      timed.splice(0, run.length, ...divide(within, run))
    }
    from = to - 1
  }
  return { segments: timed, estimated }
}

function isAt(segment: Span, start: number): boolean {
  return lengthOf(segment) < LEAST && segment.start - start < LEAST
}

/** A text without words, a note or a dash, takes the time of one. */
function wordsOf(text: string): number {
  return Math.max(1, wordCount(text))
}

/** A stretch of time for segments one after the other, by their words. */
function divide<S extends Segment>({ start, end }: Span, segments: readonly S[]): S[] {
  const counts = segments.map(({ text }) => wordsOf(text))
  const total = counts.reduce((sum, count) => sum + count, 0)
  let said = 0
  return segments.map((segment, i) => {
    const from = ms(start + ((end - start) * said) / total)
    said += counts[i]!
    const to = ms(start + ((end - start) * said) / total)
    const words = segment.words?.map((word) => inside(word, from, to))
    return { ...segment, start: from, end: to, ...(words === undefined ? {} : { words }) }
  })
}

function inside(word: Word, from: number, to: number): Word {
  const clamp = (at: number): number => Math.min(to, Math.max(from, at))
  return { ...word, start: clamp(word.start), end: clamp(word.end) }
}

function ms(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
