import type { IngestAnswer } from '../job/continuation.ts'
import type { IngestOptions } from './ingest-options.ts'

export const API_NAMES = ['stages', 'process', 'ingest'] as const
/** A version of the MoRAG server's API, by the route that texts are ingested with. */
export type ApiName = (typeof API_NAMES)[number]

/** A text to be taken into the server's index. */
export interface TextToIngest {
  text: string
  filename: string
  documentId: string
  /** All that travels with it: what is known of the file, and the client's own. */
  metadata: Record<string, unknown>
  options: IngestOptions
  /** Where the server may say how it ended. */
  callbackUrl: string
}

/** What became of a text that the server has taken: it is in, or the server works on it under the name of `taskId`. */
export type Taken = { answer: IngestAnswer; taskId: null } | { answer: null; taskId: string }

/** How one version of the server takes a text: the whole request, and what its answer says. */
export interface MoragApi {
  readonly name: ApiName
  /** Below `/api/v1`. */
  readonly route: string
  /** How long it may take to answer. */
  readonly patienceMs: number
  /** The form's fields beside the file. */
  fields(document: TextToIngest): Record<string, string>
  /** The file's text. */
  text(document: TextToIngest): string
  /** What an answer says. A text is why it failed. @param answer read as JSON; undefined when it is none. */
  read(answer: unknown): Taken | string
}
