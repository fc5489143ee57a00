import type { RecognisedSegment } from './recognised-segment.ts'
import type { LanguageTally } from './language-tally.ts'

/** What has been understood so far. */
export interface TranscriptDraft {
  /** What the job says or the recording's stretches have voted for; null: each part is for itself. */
  decided: { language: string; probability: number | null } | null
  /** What the parts were heard in. */
  heard: LanguageTally
  segments: RecognisedSegment[]
  /** How many segments were left out: text outside speech. */
  dropped: number
  /** Kept across attempts, each once. */
  warnings: string[]
}
