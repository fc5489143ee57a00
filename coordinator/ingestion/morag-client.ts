import { Agent, request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { DAY, SECOND } from '../../shared/duration.ts'
import { AppError, isSystemError, type ErrorCode } from '../../shared/errors.ts'
import { isNetworkError, networkReason, retryAfterSeconds } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { opaque } from '../../shared/wire-fields.ts'
import type { ResultBody } from '../job.ts'
import { formBody, type FormFile } from './form-body.ts'

/** What goes with a file to the MoRAG server. */
export interface Accompanying {
  contentType: string
  documentId: string | null
  /** The client's own; that the server is to do the work itself is added. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
}

/** A file to be converted there. */
export interface FileToConvert extends Accompanying {
  /** Its path. */
  file: string
  filename: string
}

/** A text to be taken into its index. */
export interface TextToIngest extends Accompanying {
  text: string
  filename: string
}

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
 * `unavailable` (nobody there, 5xx, a wrong key), `too_many_requests` and `engine_failed` (it tried and failed) may be
 * repeated, `too_large` and `unsupported_media` not. An aborted signal's reason is thrown as it is.
 */
export class MoragClient {
  readonly #url: string
  readonly #apiKey: string | null
  // A conversion may take hours before it answers: how long is waited is the caller's to say.
  readonly #agent = new Agent({ connect: { timeout: CONNECT_MS }, headersTimeout: 0 })

  constructor({ url, apiKey }: { url: string; apiKey: string | null }) {
    this.#url = url
    this.#apiKey = apiKey
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /** A file's text. @throws {AppError} as said above; `source_missing` when the file is gone. */
  async convert(source: FileToConvert, signal: AbortSignal): Promise<ResultBody> {
    const { file, filename } = source
    const form = { filename, mediaType: 'application/octet-stream', path: file }
    const answer = await this.#process('convert', source, form, {}, signal)
    if (typeof answer?.content === 'string')
      return { content: answer.content, metadata: answer.metadata ?? {} }
    throw new AppError('engine_failed', `${this.#name} gave no text for ${printable(filename)}.`)
  }

  /** Has a Markdown text ingested. @param key the same for the same text: what is repeated is one ingestion. */
  async ingest(document: TextToIngest, key: string, signal: AbortSignal): Promise<void> {
    const { filename, text } = document
    const form = { filename, mediaType: 'text/markdown', text }
    await this.#process('ingest', document, form, { 'idempotency-key': key }, signal)
  }

  /** Its answer, or null for one that is not what it should be. */
  async #process(
    mode: string,
    { contentType, documentId, metadata, processingOptions }: Accompanying,
    file: FormFile,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<z.output<typeof processed> | null> {
    const requestData = {
      mode,
      source_type: 'file',
      content_type: contentType,
      ...(documentId === null ? {} : { document_id: documentId }),
      metadata: { ...metadata, remote: false },
      processing_options: processingOptions,
    }
    try {
      const form = await formBody({ request_data: JSON.stringify(requestData) }, file)
      const response = await request(`${this.#url}/api/v1/process`, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { ...form.headers, ...this.#credentials(), ...headers },
        body: form.body,
        signal,
      })
      if (response.statusCode < 200 || response.statusCode >= 300)
        throw await this.#refusal(response)
      return this.#read(await textOf(response.body, ANSWER_BYTES))
    } catch (error) {
      throw this.#translated(error, signal)
    }
  }

  #read(text: string | null): z.output<typeof processed> | null {
    if (text === null) {
      throw new AppError('too_large', `${this.#name} answered more than 64 MiB.`)
    }
    const answer = processed.safeParse(parseJson(text))
    if (!answer.success) return null
    if (answer.data.success !== false) return answer.data
    const why = printable(answer.data.error_message ?? 'it gave no reason', { most: 500 })
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
    const said = saidIn((await textOf(body, REFUSAL_BYTES)) ?? '')
    const hint =
      statusCode === 401 || statusCode === 403
        ? ' Give its key with --morag-api-key-file or MORAG_SERVER_API_KEY.'
        : ''
    const after = [headers['retry-after']].flat()[0]
    const seconds = retryAfterSeconds(after, Date.now(), DAY / SECOND)
    const message = `${this.#name} answered ${statusCode}${said === '' ? '' : `: ${said.replace(/\.$/, '')}`}.${hint}`
    const options = seconds === undefined ? {} : { retryAfterSeconds: seconds }
    return new AppError(codeOf(statusCode), message, options)
  }

  #translated(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (isSystemError(error, 'ENOENT', 'ENOTDIR'))
      return new AppError('source_missing', 'The source file is gone.', { cause: error })
    if (error instanceof AppError || !isNetworkError(error)) return error
    const message = `${this.#name} cannot be reached: ${networkReason(error)}.`
    return new AppError('unavailable', message, { cause: error })
  }
}

/** Only what says that this file will never do is for good: the rest may be the server's trouble of today. */
function codeOf(status: number): ErrorCode {
  if (status === 413) return 'too_large'
  if ([400, 415, 422].includes(status)) return 'unsupported_media'
  return status === 429 ? 'too_many_requests' : 'unavailable'
}

/** A body's text; null when it is longer, of which no more is read. */
async function textOf(body: AsyncIterable<Buffer>, mostBytes: number): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > mostBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
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
