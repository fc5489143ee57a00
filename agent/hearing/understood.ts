import type { HeardSegment } from '../speech/heard-segment.ts'
import type { HeardLanguages } from './heard-languages.ts'

/** What has been understood so far. */
export interface Understood {
  /** What the job says or the recording's stretches have voted for; null: each part is for itself. */
  decided: { language: string; probability: number | null } | null
  /** What the parts were heard in. */
  heard: HeardLanguages
  segments: HeardSegment[]
  /** How many segments were left out: text where nobody speaks. */
  dropped: number
  /** Kept across attempts, each once. */
  warnings: string[]
}
