import { request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { DAY, SECOND } from '../../shared/duration.ts'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { isNetworkError, networkReason, retryAfterSeconds } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { API } from '../../shared/wire.ts'
import { opaque } from '../../shared/wire-fields.ts'
import type { ResultBody } from '../job/job.ts'
import { firstText } from './first-text.ts'
import { formBody, type FormFile } from './form-body.ts'
import { redacted } from './redacted.ts'

/** What goes with a file to the server. */
interface Accompanying {
  filename: string
  /** The client's own; that the server is to do the work itself is added. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
}

/** A text to be taken into the server's index. */
export interface TextToIngest extends Accompanying {
  text: string
  documentId: string
}

/** A file to be converted there. */
export interface FileToConvert extends Accompanying {
  contentType: string
  /** Null: the server makes one up, if it needs any. */
  documentId: string | null
  sizeBytes: number
  /** As many as said, read while they are sent. */
  bytes: AsyncIterable<Buffer>
}

/** An answer holds the document again; a refusal is short. */
const ANSWER_BYTES = 64 * 1024 * 1024
const REFUSAL_BYTES = 64 * 1024
const CONNECT_MS = 10 * SECOND

/** What the server answers, as far as we read it. */
const processed = z.looseObject({
  success: z.boolean().nullish(),
  content: z.string().nullish(),
  metadata: opaque.nullish(),
  error_message: z.string().nullish(),
})

/** Where a refusal may say why. */
const spoken = z.looseObject({
  detail: z.unknown().optional(),
  error_message: z.unknown().optional(),
  message: z.unknown().optional(),
})

/**
 * The MoRAG server as we call it ourselves, by its `POST /api/v1/process`. Every failure is an {@link AppError}:
 * `unavailable` (nobody there, a gateway's 5xx, a wrong key), `too_many_requests` and `engine_failed` (it tried and
 * failed) may be repeated, `too_large` and `unsupported_media` not. An aborted signal's reason is thrown as it is.
 */
export class MoragClient {
  readonly #url: string
  readonly #apiKey: string | null
  // A conversion may take hours before it answers: how long is waited is the caller's to say.
  readonly #agent: Dispatcher

  constructor({ url, apiKey }: { url: string; apiKey: string | null }) {
    this.#url = url
    this.#apiKey = apiKey
    this.#agent = dispatcherFor(url, { connect: { timeout: CONNECT_MS } })
  }

  get url(): string {
    return this.#url
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** Has a Markdown text ingested. @param key the same for the same text: what is repeated is one ingestion. */
  async ingest(document: TextToIngest, key: string, signal: AbortSignal): Promise<void> {
    const { filename, text, documentId } = document
    const bytes = Buffer.from(text)
    const file = { filename, mediaType: 'text/markdown', sizeBytes: bytes.length, bytes: [bytes] }
    const said = { mode: 'ingest', content_type: 'document', document_id: documentId }
    this.#checked(await this.#process(said, document, file, { 'idempotency-key': key }, signal))
  }

  /** A file's text, and what the server says of it. */
  async convert(source: FileToConvert, signal: AbortSignal): Promise<ResultBody> {
    const { contentType, documentId } = source
    const said = {
      mode: 'convert',
      content_type: contentType,
      ...(documentId !== null && { document_id: documentId }),
    }
    const file = { ...source, mediaType: 'application/octet-stream' }
    const answer = await this.#process(said, source, file, {}, signal)
    if (Buffer.byteLength(answer) > ANSWER_BYTES)
      throw new AppError('too_large', `${this.#name} answered more than 64 MiB.`)
    const { content, metadata } = this.#checked(answer)
    if (typeof content === 'string') return { content, metadata: metadata ?? {} }
    const name = printable(source.filename)
    throw new AppError('engine_failed', `${this.#name} gave no text for ${name}.`)
  }

  /** What the server answers, as far as we read it. */
  async #process(
    said: Record<string, string>,
    { metadata, processingOptions }: Accompanying,
    file: FormFile,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<string> {
    const requestData = {
      ...said,
      source_type: 'file',
      metadata: { ...metadata, remote: false },
      processing_options: processingOptions,
    }
    const form = formBody({ request_data: JSON.stringify(requestData) }, file)
    try {
      const response = await request(`${this.#url}${API}/process`, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { ...form.headers, ...this.#credentials(), ...headers },
        body: form.body,
        headersTimeout: 0,
        signal,
      })
      if (response.statusCode < 200 || response.statusCode >= 300)
        throw await this.#refusal(response)
      return await firstText(response.body, ANSWER_BYTES + 1)
    } catch (error) {
      throw this.#translated(error, signal)
    }
  }

  /** The original answers 200 also to what it could not do. */
  #checked(text: string): Partial<z.output<typeof processed>> {
    const answer = processed.safeParse(parseJson(text)).data ?? {}
    if (answer.success !== false) return answer
    const reason = redacted(answer.error_message ?? 'it gave no reason', [this.#apiKey])
    const why = printable(reason, { most: 500 })
    throw new AppError('engine_failed', `${this.#name} failed: ${why}`)
  }

  get #name(): string {
    return `The MoRAG server at ${new URL(this.#url).host}`
  }

  #credentials(): Record<string, string> {
    if (this.#apiKey === null) return {}
    return { authorization: `Bearer ${this.#apiKey}`, 'x-api-key': this.#apiKey }
  }

  async #refusal({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<AppError> {
    const said = saidIn(redacted(await firstText(body, REFUSAL_BYTES), [this.#apiKey]))
    const hint =
      statusCode === 401 || statusCode === 403
        ? ' Give its key with --morag-api-key-file or MORAG_SERVER_API_KEY.'
        : ''
    const after = [headers['retry-after']].flat()[0]
    const seconds = retryAfterSeconds(after, timeOfDay(), DAY / SECOND)
    const message = `${this.#name} answered ${statusCode}${said === '' ? '' : `: ${said.replace(/\.$/, '')}`}.${hint}`
    const options = seconds === undefined ? {} : { retryAfterSeconds: seconds }
    return new AppError(codeOf(statusCode), message, options)
  }

  #translated(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const message = `${this.#name} cannot be reached: ${networkReason(error)}.`
    return new AppError('unavailable', message, { cause: error })
  }
}

/** Only what says that this file will never do is for good: the rest may be the server's trouble of today. */
function codeOf(status: number): ErrorCode {
  if (status === 413) return 'too_large'
  if ([400, 415, 422].includes(status)) return 'unsupported_media'
  if (status === 500) return 'engine_failed'
  return status === 429 ? 'too_many_requests' : 'unavailable'
}

/** What a refusal says of itself, on one line. */
function saidIn(text: string): string {
  const { detail, error_message, message } = spoken.safeParse(parseJson(text)).data ?? {}
  const said = detail ?? error_message ?? message
  if (said === undefined || said === null) return ''
  return printable(typeof said === 'string' ? said : JSON.stringify(said), { most: 500 })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
