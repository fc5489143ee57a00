import type { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import type { AnswerName, RequestName, Schema } from './schemas.ts'

/** A header or a part of the path. */
export interface Parameter {
  description: string
  isRequired?: boolean
  /** A text when left out. */
  schema?: Schema
}

/** One route of the app, as the document tells of it. */
export interface Operation {
  id: string
  tag: 'Jobs' | 'Transcripts' | 'Workers' | 'Ingestion' | 'Operating' | 'Observing'
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** As the app has it, below the API's root. */
  route: string
  /** Where else it is: outside the API's root, too, or only there. */
  isAtRoot?: 'too' | 'only'
  summary: string
  description?: string
  query?: z.ZodType
  /** Parts of its path that are no plain ids. */
  path?: Readonly<Record<string, Parameter>>
  headers?: Readonly<Record<string, Parameter>>
  body?: {
    /** JSON of this form. */
    json?: RequestName
    /** A form with a file. */
    form?: Schema
    /** Any bytes. */
    isBytes?: boolean
    isOptional?: boolean
  }
  /** JSON of a form, or the media types of something else. */
  answer: AnswerName | readonly string[]
  /** Statuses other than 200 that bring the same, and what they say. */
  also?: Readonly<Record<string, string>>
  /** What the events of a stream hold. */
  events?: Readonly<Record<string, AnswerName>>
  /** Beside those that every route has. */
  errors?: readonly ErrorCode[]
}

export const MORAG_LEASE = 'The `lease_token` of the attempt that the caller works on.'
export const IDEMPOTENCY_KEY =
  'The same key makes the same job: a request that is sent again makes no second one.'
