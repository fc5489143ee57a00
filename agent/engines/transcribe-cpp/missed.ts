import { lengthOf, overlap, uncovered, type Span } from '../../../shared/span.ts'
import type { WindowResult } from './recognizer.ts'

/** Times of segments are rough by so many seconds. */
const SLACK = 0.5
/** The least that is worth another look, in seconds. */
const LEAST = 1

/**
 * Speech of a window that none of its segments covers, in seconds of the file: after a long pause Whisper may end its text,
 * though more is said. None for a window without any text: it would get none again.
 * @returns stretches of it, with recognised speech between them.
 */
export function missedSpeech({ window, result }: WindowResult): Span[][] {
  const { start } = window.audio
  const segments = result.segments.map(({ t0Ms, t1Ms }) => ({
    start: start + t0Ms / 1000,
    end: start + t1Ms / 1000,
  }))
  if (segments.length === 0) return []
  const rough = segments.map((one) => ({ start: one.start - SLACK, end: one.end + SLACK }))
  const missed = window.speech
    .flatMap((span) => uncovered(span, rough))
    .filter((span) => lengthOf(span) >= LEAST)
  const stretches: Span[][] = []
  for (const span of missed) {
    const last = stretches.at(-1)
    const between = { start: last?.at(-1)?.end ?? span.start, end: span.start }
    if (last === undefined || segments.some((one) => overlap(one, between) > 0)) {
      stretches.push([span])
    } else last.push(span)
  }
  return stretches
}
