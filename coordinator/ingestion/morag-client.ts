import { tryJson } from '../../shared/body-text.ts'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { API } from '../../shared/wire.ts'
import type { Task } from '../job/continuation.ts'
import type { ResultBody } from '../job/job.ts'
import { outcomeOfStatus, type IngestOutcome } from './ingest-outcome.ts'
import { isNoRoute, KnownApi } from './known-api.ts'
import {
  mediaTypeFor,
  type ApiName,
  type FileToConvert,
  type Ingested,
  type MoragApi,
  type TextToIngest,
} from './morag-api.ts'
import { ANSWER_BYTES, MoragHttp, type Refusal } from './morag-http.ts'
import { secretsInOptions } from './redacted.ts'

export interface MoragClientOptions {
  url: string
  apiKey: string | null
  /** Null: found out. */
  api?: ApiName | null
  /** How long a description of the server is taken for its present one. */
  freshMs?: number
}

/** The servers' words for files that they never take, which come with 500 or in a 200. */
const NEVER_TAKEN = /not allowed|not supported|unsupported|exceeds maximum allowed size/i

/**
 * A client of the MoRAG server, whichever version that is. Every failure is an {@link AppError}: `unavailable` (no answer, a
 * gateway's 5xx, a wrong key), `too_many_requests` and `engine_failed` (it tried and failed) may be repeated, `too_large`
 * and `unsupported_media` not. An aborted signal's reason is thrown as it is.
 */
export class MoragClient {
  readonly #http: MoragHttp
  readonly #api: KnownApi

  constructor({ url, apiKey, api = null, freshMs }: MoragClientOptions) {
    this.#http = new MoragHttp({ url, apiKey })
    this.#api = new KnownApi(this.#http, api, freshMs)
  }

  get url(): string {
    return this.#http.url
  }

  /** Changes with an upgrade of the server; null: to be read (again) with {@link describe}. */
  get version(): string | null {
    return this.#api.digest
  }

  async describe(signal: AbortSignal): Promise<void> {
    await this.#api.describe(signal)
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  /**
   * Hands a text in to be ingested.
   * @param key the `Idempotency-Key`: the same for the same text.
   * @param onTry called before each request with the API that it uses.
   */
  async ingest(
    document: TextToIngest,
    key: string,
    signal: AbortSignal,
    onTry: (api: MoragApi) => void = () => undefined,
  ): Promise<Ingested & { api: ApiName }> {
    const { filename, options, callbackUrl } = document
    const secrets = [callbackUrl, ...secretsInOptions(options)]
    const headers = { 'idempotency-key': key }
    return await this.#withApi('ingestion', signal, async (api) => {
      onTry(api)
      const { path, text, fields, read } = api.ingestion
      const bytes = Buffer.from(text(document))
      const file = { filename, mediaType: 'text/markdown', sizeBytes: bytes.length, bytes: [bytes] }
      const asked = { headers, secrets }
      const answer = await this.#http.postForm(path, fields(document), file, asked, signal)
      const ingested = read(tryJson(answer.text))
      if (typeof ingested === 'string') throw this.#http.failure(ingested, secrets)
      return { ...ingested, api: api.name }
    })
  }

  /** The state of a task; null while the server works on it. @throws {AppError} `not_found` for an unknown task. */
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

  /** A file's text, and the server's metadata. */
  async convert(source: FileToConvert, signal: AbortSignal): Promise<ResultBody> {
    const { filename, sizeBytes } = source
    return await this.#withApi('conversion', signal, async ({ conversion }) => {
      const { path, fields, read } = conversion
      const bytes = source.read()
      try {
        const file = { filename, mediaType: mediaTypeFor(filename), sizeBytes, bytes }
        const { text, isCut } = await this.#http.postForm(path, fields(source), file, {}, signal)
        const mib = ANSWER_BYTES / 1024 / 1024
        if (isCut) throw new AppError('too_large', `${this.#http.name} answered over ${mib} MiB.`)
        const result = read(tryJson(text))
        if (typeof result === 'string') throw this.#http.failure(result)
        if (result !== null) return result
        const what = `gave no text for ${printable(filename)}`
        throw new AppError('engine_failed', `${this.#http.name} ${what}.`)
      } catch (error) {
        throw refusedForGood(error) ?? error
      } finally {
        bytes.destroy?.()
      }
    })
  }

  /** Tries the APIs that the server may have, and finds them out anew when a route is missing. */
  async #withApi<T>(
    kind: 'ingestion' | 'conversion',
    signal: AbortSignal,
    ask: (api: MoragApi) => Promise<T>,
  ): Promise<T> {
    let missing: unknown
    for (let round = 0; round < 2; round += 1) {
      for (const api of await this.#api.candidates(signal)) {
        try {
          const answer = await ask(api)
          this.#api.confirm(api)
          return answer
        } catch (error) {
          if (!isNoRoute(error)) throw error
          missing = kind === 'ingestion' ? error : this.#cannotConvert(error)
          if (!this.#api.reject(api)) throw this.#without(api, kind, error)
        }
      }
    }
    throw missing
  }

  /** Final for a file, until the server is upgraded: without a route, each try would be an upload in vain. */
  #cannotConvert(cause: Refusal): AppError {
    const message = `${this.#http.name} has no route to convert files.`
    return new AppError('unsupported_media', message, { cause })
  }

  #without(api: MoragApi, kind: 'ingestion' | 'conversion', cause: Refusal): AppError {
    const message = `${this.#http.name} has no POST ${api[kind].path}: --morag-api ${api.name} does not fit it; leave that at auto.`
    const { retryAfterSeconds } = cause
    return new AppError('unavailable', message, { cause, retryAfterSeconds })
  }
}

/** The error for a file that the server never takes, where it only says that it failed. */
function refusedForGood(error: unknown): AppError | null {
  const isFailure = error instanceof AppError && error.code === 'engine_failed'
  if (!isFailure || !NEVER_TAKEN.test(error.message)) return null
  return new AppError('unsupported_media', error.message, { cause: error })
}
