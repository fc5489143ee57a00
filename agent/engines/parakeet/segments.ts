import { oneLine } from '../../../shared/render.ts'
import type { SherpaResult } from '../../audio/sherpa.ts'
import type { Span } from '../../../shared/span.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { wordsFromTokens, type Token } from '../whisper/words.ts'

/** A pause this long, in seconds, ends a segment. */
const PAUSE = 1.5

/**
 * A transducer's result as segments with words, in seconds of the recording, cut at pauses.
 * @param span of the audio: the result's times count from its beginning.
 */
export function segmentsOf(result: SherpaResult, span: Span): RecognisedSegment[] {
  const segments: Token[][] = []
  for (const token of tokensOf(result, span)) {
    const open = segments.at(-1)
    const pause = token.start - (open?.at(-1)?.end ?? token.start)
    if (open === undefined || (pause >= PAUSE && token.text.startsWith(' '))) segments.push([token])
    else open.push(token)
  }
  return segments.map(segmentOf).filter(({ text }) => text !== '')
}

function tokensOf(
  { tokens, timestamps, durations, ys_log_probs }: SherpaResult,
  span: Span,
): Token[] {
  const clamp = (seconds: number): number =>
    Math.round(Math.min(span.end, Math.max(span.start, seconds)) * 1000) / 1000
  return tokens.map((text, i) => {
    const start = clamp(span.start + (timestamps[i] ?? 0))
    const end = clamp(start + (durations[i] ?? 0))
    const logprob = ys_log_probs[i]
    return {
      text,
      start,
      end,
      ...(logprob === undefined ? {} : { probability: Math.exp(logprob) }),
    }
  })
}

function segmentOf(tokens: readonly Token[]): RecognisedSegment {
  const segment = {
    start: tokens[0]!.start,
    end: Math.max(...tokens.map(({ end }) => end)),
    text: oneLine(tokens.map(({ text }) => text).join('')),
  }
  const words = wordsFromTokens(tokens, segment)
  return words === undefined ? segment : { ...segment, words }
}
