import type { z } from 'zod'
import type {
  jobAnswer,
  jobSummary,
  listAnswer,
  sessionAnswer,
  transcriptAnswer,
  workerAnswer,
} from '../../shared/wire-answers.ts'
import type { Segment as Stored } from '../../shared/transcript.ts'
import type { usageAnswer } from '../../shared/wire-usage.ts'
import type { queueEvent, snapshotEvent, textEvent } from '../../shared/wire-events.ts'

export type Summary = z.output<typeof jobSummary>
export type Detail = z.output<typeof jobAnswer>
export type Attempt = Detail['attempts'][number]
export type Steps = NonNullable<Summary['continuation']>['steps']
export type JobList = z.output<typeof listAnswer>
export type Transcript = z.output<typeof transcriptAnswer>
export type Worker = z.output<typeof workerAnswer>
export type Queue = z.output<typeof queueEvent>
export type Text = z.output<typeof textEvent>
export type Snapshot = z.output<typeof snapshotEvent>
export type UsageRow = z.output<typeof usageAnswer>['rows'][number]
export type Session = z.output<typeof sessionAnswer>

export type Segment = Pick<Stored, 'start' | 'end' | 'text'> & {
  /** The name, else the label. */
  speaker: NonNullable<Stored['speaker']> | null
  /** As the transcript has it, whatever the name. */
  label: string | null
  /** Reasons why the text may be wrong, as the agent flagged them. */
  flags: NonNullable<Stored['flags']>
  /** 1 where the engine does not say. */
  confidence: NonNullable<Stored['confidence']>
}
