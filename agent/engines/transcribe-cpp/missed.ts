import { covered, lengthOf, type Span } from '../../audio/span.ts'
import type { WindowResult } from './recognizer.ts'

/** Times of segments are rough by so many seconds. */
const SLACK = 0.5
/** The least that is worth another look, in seconds, and the most of it that a segment may cover. */
const LEAST = 1
const MOST_COVERED = 0.2

/**
 * Speech of a window that none of its segments covers, in seconds of the file: after a long pause Whisper may end its text,
 * though more is said. None for a window without any text: it would get none again.
 */
export function missedSpeech({ window, result }: WindowResult): Span[] {
  const { start } = window.audio
  const segments = result.segments.map(({ t0Ms, t1Ms }) => ({
    start: start + t0Ms / 1000 - SLACK,
    end: start + t1Ms / 1000 + SLACK,
  }))
  if (segments.length === 0) return []
  return window.speech.filter(
    (span) => lengthOf(span) >= LEAST && covered(span, segments) < lengthOf(span) * MOST_COVERED,
  )
}
