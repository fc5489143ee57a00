import type { Segment } from '../../shared/transcript.ts'
import { clip, lengthOf, roundToMs, type Span } from '../../shared/span.ts'
import { wordCount } from './words.ts'

/** Shorter than this, in seconds, a cue cannot be read, and most players do not show it. */
const LEAST = 0.02
const WORDS_PER_SECOND = 3
/** How exact the VAD finds the beginning and the end of a word, in seconds. */
const SLACK = 0.2

/**
 * Trims a segment to its speech: engines guess where a word ends, some by a second. One without any speech stays as it is.
 */
export function tighten<S extends Segment>(segment: S, speech: readonly Span[]): S {
  const spoken = clip(speech, segment.start, segment.end)
  const [first, last] = [spoken[0], spoken.at(-1)]
  if (first === undefined || last === undefined) return segment
  const start = Math.max(segment.start, roundToMs(first.start - SLACK))
  const end = Math.min(segment.end, roundToMs(last.end + SLACK))
  return retimed(segment, { start, end })
}

/**
 * Gives every segment a length. One without takes the pause after it; where there is none, it shares the time of the
 * segment before (else after) it, by words. Order and texts stay.
 * @param segments ascending, without overlaps; @param within the bounds of all times.
 * @returns `estimated`: whether a time was changed.
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

/** A text without words, as a note or a dash, takes the time of one. */
function wordsOf(text: string): number {
  return Math.max(1, wordCount(text))
}

function divide<S extends Segment>({ start, end }: Span, segments: readonly S[]): S[] {
  const counts = segments.map(({ text }) => wordsOf(text))
  const total = counts.reduce((sum, count) => sum + count, 0)
  let done = 0
  return segments.map((segment, i) => {
    const from = roundToMs(start + ((end - start) * done) / total)
    done += counts[i]!
    const to = roundToMs(start + ((end - start) * done) / total)
    return retimed(segment, { start: from, end: to })
  })
}

function retimed<S extends Segment>(segment: S, { start, end }: Span): S {
  const clamp = (at: number): number => Math.min(end, Math.max(start, at))
  const words = segment.words?.map((word) => ({
    ...word,
    start: clamp(word.start),
    end: clamp(word.end),
  }))
  return { ...segment, start, end, ...(words === undefined ? {} : { words }) }
}
