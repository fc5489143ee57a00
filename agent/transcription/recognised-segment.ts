import type { Segment } from '../../shared/transcript.ts'

export interface RecognisedSegment extends Segment {
  /** Of its tokens, the mean; natural logarithm. */
  avgLogprob?: number
  /** 0 to 1. */
  noSpeechProb?: number
  /** Of the engine's whole window, where it says so. */
  compressionRatio?: number
}
