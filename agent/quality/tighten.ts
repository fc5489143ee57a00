import type { Segment } from '../../shared/transcript.ts'
import { clip, type Span } from '../audio/span.ts'

/** What is found of a word's beginning and end is this exact, in seconds. */
const SLACK = 0.2

/**
 * A segment without what it has of the silence around its speech: engines guess where a word ends, some by a second. One
 * without any speech stays as it is.
 */
export function tighten<S extends Segment>(segment: S, speech: readonly Span[]): S {
  const spoken = clip(speech, segment.start, segment.end)
  const [first, last] = [spoken[0], spoken.at(-1)]
  if (first === undefined || last === undefined) return segment
  const start = Math.max(segment.start, ms(first.start - SLACK))
  const end = Math.min(segment.end, ms(last.end + SLACK))
  const clamp = (at: number): number => Math.min(end, Math.max(start, at))
  const words = segment.words?.map((word) => ({
    ...word,
    start: clamp(word.start),
    end: clamp(word.end),
  }))
  return { ...segment, start, end, ...(words === undefined ? {} : { words }) }
}

function ms(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
