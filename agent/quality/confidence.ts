import { meanProbability } from '../../shared/cut-segment.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'

/**
 * A segment with how sure its engine is of the words, 0 to 1: the mean probability of the words, else that of the tokens
 * (`exp` of their mean log probability). Without either it has none.
 */
export function withConfidence(segment: RecognisedSegment): RecognisedSegment {
  const {
    words = [],
    avgLogprob,
    confidence = meanProbability(words) ?? byTokens(avgLogprob),
  } = segment
  return confidence === undefined ? segment : { ...segment, confidence }
}

function byTokens(avgLogprob: number | undefined): number | undefined {
  if (avgLogprob === undefined || !Number.isFinite(avgLogprob)) return undefined
  return Math.min(1, Math.round(Math.exp(avgLogprob) * 1000) / 1000)
}
