// What the API takes and answers. `scripts/client-types.ts` writes it out for the package, without zod.
import type { z } from 'zod'
import type { GivenOptions } from '../../agent/job-options.ts'
import type { Chunk as RenderedChunk } from '../chunks.ts'
import type { ErrorCode as Code } from '../errors.ts'
import type { Form as AnyForm } from '../forms.ts'
import type { segment, transcriptMetadata, word } from '../transcript.ts'
import type { jobAnswer, jobSummary } from '../wire-answers.ts'
import type { textEvent } from '../wire-events.ts'
import type { createdAnswer, listQuery, statusAnswer } from '../wire.ts'

/** Of the coordinator, and of jobs. */
export type ErrorCode = Code
/** How a transcript is written. */
export type Form = AnyForm
export type CreatedJob = z.output<typeof createdAnswer>
export type JobStatus = z.output<typeof statusAnswer>
/** A job in a list. */
export type JobSummary = z.output<typeof jobSummary>
/** A job with its source, attempts and follow-up steps. */
export type Job = z.output<typeof jobAnswer>
export type ListQuery = Omit<z.input<typeof listQuery>, 'limit'>
/** Of speech, of the coordinator, and any other, as a converter's. */
export type TaskOptions = GivenOptions & {
  /** What an agent must have to get the job. */
  requires?: {
    diarize?: boolean
    translate?: boolean
    words?: boolean
    language?: string
    engine?: string
    model?: string
  }
  /** Ends an attempt. */
  timeout_seconds?: number
  chunk_overlap?: number
  [other: string]: unknown
}
/** Times are seconds. */
export type Word = z.input<typeof word>
/** A sentence of a transcript. Times are seconds. */
export type Segment = z.input<typeof segment>
/** A piece of a transcript for retrieval. Times are seconds. */
export type Chunk = RenderedChunk
/** A sentence that has been recognised. Times are seconds. */
export type TextSegment = z.output<typeof textEvent>['segments'][number]

/** `result.json`. A document has its `text` instead of segments. */
export type Transcript = z.input<typeof transcriptMetadata> & {
  duration?: number
  language?: string | null
  has_speech?: boolean
  word_count?: number
  warnings?: string[]
  /** By label: the names that people gave. */
  speaker_names?: Record<string, string | null>
  /** It is unfinished: nothing is missing up to this second. */
  partial?: true
  recognised_until?: number
  text?: string
}

export type StreamEvent =
  | { type: 'progress'; job: JobStatus }
  | {
      type: 'text'
      /** The number of the first of these segments, from 0: they replace all from there on. */
      first: number
      segments: TextSegment[]
      /** Up to where nothing that is said is missing, in seconds. */
      recognised_until: number
    }
