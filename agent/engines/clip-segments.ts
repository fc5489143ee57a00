import type { RecognisedSegment } from '../transcription/recognised-segment.ts'

/** What whisper.cpp's models write where nobody speaks. */
const NOTHING = /^(\[\s*blank_audio\s*\])?$/i

/**
 * Segments as an engine has to give them: in order of time, none empty, and nothing outside the piece. Whisper counts in
 * windows of 30 seconds and likes to end its last segment where the window ends.
 */
export function withinPiece(
  segments: readonly RecognisedSegment[],
  durationSeconds: number,
): RecognisedSegment[] {
  const clamp = (seconds: number): number => Math.min(durationSeconds, Math.max(0, seconds))
  return segments
    .filter(({ text }) => !NOTHING.test(text))
    .map(({ start, end, words, ...rest }) => ({
      ...rest,
      start: clamp(start),
      end: Math.max(clamp(start), clamp(end)),
      ...(words === undefined
        ? {}
        : {
            words: words.map((word) => ({
              ...word,
              start: clamp(word.start),
              end: clamp(word.end),
            })),
          }),
    }))
    .toSorted((a, b) => a.start - b.start || a.end - b.end)
}
