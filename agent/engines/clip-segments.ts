import { oneLine } from '../../shared/render.ts'
import { sentencesIn } from '../../shared/sentences.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import type { TranscribeRequest } from './engine.ts'
import { sentenceTimes } from './sentence-times.ts'

/** What whisper.cpp's models write for silence. */
const NOTHING = /^(\[\s*blank_audio\s*\])?$/i

/**
 * Segments in order of time, none empty, none outside the piece. Whisper counts in windows of 30 seconds and often ends
 * its last segment where the window ends.
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

/** Text without times: a segment per sentence, at an estimated time within the speech of the piece. */
export function untimed(
  text: string,
  {
    speech = [],
    durationSeconds,
    options,
  }: Pick<TranscribeRequest, 'durationSeconds'> & Partial<TranscribeRequest>,
): RecognisedSegment[] {
  const sentences = sentencesIn(oneLine(text.replace(/^\uFEFF/, '')), options?.language)
  const spans = speech.length > 0 ? speech : [{ start: 0, end: durationSeconds }]
  const times = sentenceTimes(sentences, spans)
  return withinPiece(
    sentences.map((sentence, i) => ({ ...times[i]!, text: sentence })),
    durationSeconds,
  )
}
