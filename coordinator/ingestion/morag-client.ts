import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { API } from '../../shared/wire.ts'
import { opaque } from '../../shared/wire-fields.ts'
import type { Task } from '../job/continuation.ts'
import type { ResultBody } from '../job/job.ts'
import { outcomeOfStatus, type IngestOutcome } from './ingest-outcome.ts'
import { isNoRoute, KnownApi } from './known-api.ts'
import type { ApiName, MoragApi, Taken, TextToIngest } from './morag-api.ts'
import { ANSWER_BYTES, MoragHttp, parseJson, type Refusal } from './morag-http.ts'
import { secretsIn } from './option-secrets.ts'

/** A file to be converted there. */
export interface FileToConvert {
  filename: string
  /** The client's own; that the server is to do the work itself is added. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
  contentType: string
  /** Null: the server makes one up, if it needs any. */
  documentId: string | null
  sizeBytes: number
  /** As many as said, read while they are sent. */
  bytes: AsyncIterable<Buffer>
}

/** What the server answers, as far as we read it. */
const processed = z.looseObject({
  success: z.boolean().nullish(),
  content: z.string().nullish(),
  metadata: opaque.nullish(),
  error_message: z.string().nullish(),
})

/**
 * The MoRAG server as we call it ourselves, in whichever version it is. Every failure is an {@link AppError}:
 * `unavailable` (nobody there, a gateway's 5xx, a wrong key), `too_many_requests` and `engine_failed` (it tried and
 * failed) may be repeated, `too_large` and `unsupported_media` not. An aborted signal's reason is thrown as it is.
 */
export class MoragClient {
  readonly #http: MoragHttp
  readonly #api: KnownApi

  /** @param api null: it is found out. */
  constructor({
    url,
    apiKey,
    api = null,
  }: {
    url: string
    apiKey: string | null
    api?: ApiName | null
  }) {
    this.#http = new MoragHttp({ url, apiKey })
    this.#api = new KnownApi(this.#http, api)
  }

  get url(): string {
    return this.#http.url
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#http.close()
  }

  /**
   * Hands a text in to be ingested.
   * @param key the same for the same text, for servers that know what that means.
   * @param told is called with how the text goes there, before it does.
   */
  async ingest(
    document: TextToIngest,
    key: string,
    signal: AbortSignal,
    told: (api: MoragApi) => void = () => undefined,
  ): Promise<Taken & { api: ApiName }> {
    let missing: unknown
    for (let round = 0; round < 2; round += 1) {
      for (const api of await this.#api.candidates(signal)) {
        told(api)
        try {
          const taken = await this.#ingestBy(api, document, key, signal)
          this.#api.is(api)
          return { ...taken, api: api.name }
        } catch (error) {
          if (!isNoRoute(error)) throw error
          missing = error
          if (!this.#api.isNot(api)) throw this.#without(api, error)
        }
      }
    }
    throw missing
  }

  /** How a text stands that the server has taken; null: it works on it. @throws {AppError} `not_found`: it does not know it. */
  async look({ api, id }: Task & { id: string }, signal: AbortSignal): Promise<IngestOutcome> {
    try {
      const path = `${API}/status/${encodeURIComponent(id)}`
      return outcomeOfStatus(api, id, await this.#http.getJson(path, signal))
    } catch (error) {
      if (!isNoRoute(error)) throw error
      const message = `${this.#http.name} does not know the task ${id} any more: the text is sent again.`
      throw new AppError('not_found', message, { cause: error })
    }
  }

  /** A file's text, and what the server says of it. */
  async convert(source: FileToConvert, signal: AbortSignal): Promise<ResultBody> {
    const { contentType, documentId, metadata, processingOptions } = source
    const requestData = {
      mode: 'convert',
      content_type: contentType,
      ...(documentId !== null && { document_id: documentId }),
      source_type: 'file',
      metadata: { ...metadata, remote: false },
      processing_options: processingOptions,
    }
    const fields = { request_data: JSON.stringify(requestData) }
    const file = { ...source, mediaType: 'application/octet-stream' }
    const text = await this.#http.postForm('/process', fields, file, {}, signal)
    if (Buffer.byteLength(text) > ANSWER_BYTES)
      throw new AppError('too_large', `${this.#http.name} answered more than 64 MiB.`)
    // The original answers 200 also to what it could not do.
    const answer = processed.safeParse(parseJson(text)).data ?? {}
    if (answer.success === false)
      throw this.#http.failure(answer.error_message ?? 'it gave no reason')
    if (typeof answer.content === 'string')
      return { content: answer.content, metadata: answer.metadata ?? {} }
    const name = printable(source.filename)
    throw new AppError('engine_failed', `${this.#http.name} gave no text for ${name}.`)
  }

  async #ingestBy(
    api: MoragApi,
    document: TextToIngest,
    key: string,
    signal: AbortSignal,
  ): Promise<Taken> {
    const bytes = Buffer.from(api.text(document))
    const { filename, options } = document
    const file = { filename, mediaType: 'text/markdown', sizeBytes: bytes.length, bytes: [bytes] }
    const secrets = [document.callbackUrl, ...secretsIn(options)]
    const asked = { headers: { 'idempotency-key': key }, secrets }
    const text = await this.#http.postForm(api.route, api.fields(document), file, asked, signal)
    const taken = api.read(parseJson(text))
    if (typeof taken === 'string') throw this.#http.failure(taken, secrets)
    return taken
  }

  #without({ name, route }: MoragApi, cause: Refusal): AppError {
    const message = `${this.#http.name} has no POST ${API}${route}: --morag-api ${name} does not fit it; leave that at auto.`
    const { retryAfterSeconds: seconds } = cause
    const again = seconds === undefined ? {} : { retryAfterSeconds: seconds }
    return new AppError('unavailable', message, { cause, ...again })
  }
}
