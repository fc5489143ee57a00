import type { MoragError } from './error.ts'
import type { Chunk, Form, JobStatus, TaskOptions, Transcript } from './types.ts'

export interface ClientOptions {
  /** The coordinator's address, with or without a trailing `/` or `/api/v1`. */
  url: string | URL
  /** A token, or the coordinator's API key. */
  apiKey?: string | undefined
  /** Tries after the first, on 429, 5xx and broken connections. Default: 5. Waiting for a job is not limited by it. */
  retries?: number | undefined
  /** Called before such a try. */
  onRetry?: ((error: MoragError, waitMs: number) => void) | undefined
  /** Instead of the global one, as for a proxy or a certificate of your own. */
  fetch?: typeof globalThis.fetch | undefined
  /** How it waits between tries; rejects when the signal is aborted. */
  sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined
}

export interface CallOptions {
  /** Ends the call, which rejects with its reason. A job goes on: `cancel` ends it. */
  signal?: AbortSignal | undefined
}

/**
 * A file: its bytes, a `Blob` or `File`, a stream, an http or https address, which the coordinator fetches, or, on Node,
 * Bun and Deno, a path. A stream can be read once, so it is not sent again after a failure; in a browser it is first read
 * to its end.
 */
export type Source =
  | Blob
  | ArrayBuffer
  | ArrayBufferView
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | URL
  | string

export interface SubmitOptions extends CallOptions {
  /** `audio`, `video`, `document`, …. Default: audio or video, by the file's type and name; of an address by its bytes. */
  content_type?: string | undefined
  task_options?: TaskOptions | undefined
  /** -1000 to 1000; higher is sooner. Default: 0. */
  priority?: number | undefined
  /** An id of your own; webhooks have it as `task_id`. */
  ingestion_task_id?: string | undefined
  webhook?: Webhook | undefined
  /** Default: that of the `File` or path. */
  filename?: string | undefined
  /** The same key gives the same job. Default: a new one for each call, so that a retry makes no second job. */
  idempotencyKey?: string | undefined
}

/** Called when the job has ended. */
export interface Webhook {
  url: string
  /** `whsec_` and base64, to verify its signature. Default: the coordinator's. */
  secret?: string
  /** Sent to it as a Bearer token. */
  auth_token?: string
  /** Also while the job runs. */
  progress?: boolean
}

export interface WaitOptions extends CallOptions {
  /** Called with each state that is seen. */
  onProgress?: ((job: JobStatus) => void) | undefined
  /** The longest time between two looks. Default: 2000. */
  pollMs?: number | undefined
}

export interface ResultOptions extends CallOptions {
  /** Also of a running job: what is recognised so far. */
  partial?: boolean | undefined
  /** Of chunks and subtitles. Default: the job's own. */
  chunk_tokens?: number | undefined
  chunk_overlap?: number | undefined
  subtitles?: 'cues' | 'plain' | 'words' | undefined
  max_line_chars?: number | undefined
  max_lines?: number | undefined
}

export type ResultOf<F extends Form> = F extends 'json'
  ? Transcript
  : F extends 'chunks'
    ? Chunk[]
    : string
