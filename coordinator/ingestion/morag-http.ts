import { request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { bodyText, tryJson } from '../../shared/body-text.ts'
import { DAY, SECOND } from '../../shared/duration.ts'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { AppError, type AppErrorOptions, type ErrorCode } from '../../shared/errors.ts'
import { multipart, type FormFile } from '../../shared/multipart.ts'
import { retryAfterSeconds } from '../../shared/backoff.ts'
import { isNetworkError, networkReason } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { redacted } from './redacted.ts'

/** An answer may hold a whole document; a refusal is short. */
export const ANSWER_BYTES = 64 * 1024 * 1024
const REFUSAL_BYTES = 64 * 1024
const CONNECT_MS = 10 * SECOND

/** An answer that is not a success. */
export class Refusal extends AppError {
  readonly status: number

  constructor(code: ErrorCode, message: string, status: number, options: AppErrorOptions) {
    super(code, message, options)
    this.status = status
  }
}

/** Where refusals have their reason. */
const reasons = z.looseObject({
  detail: z.unknown().optional(),
  error_message: z.unknown().optional(),
  message: z.unknown().optional(),
})

interface Asked {
  method: 'GET' | 'POST'
  path: string
  headers?: Record<string, string>
  body?: Dispatcher.RequestOptions['body']
  /** Parts of the request that are taken out of the server's errors. */
  secrets?: readonly string[]
}

/**
 * HTTP requests to the MoRAG server. Every failure is an {@link AppError}: a {@link Refusal} for an answer, else
 * `unavailable`. An aborted signal's reason is thrown as it is.
 */
export class MoragHttp {
  readonly #url: string
  readonly #apiKey: string | null
  // Without a timeout for the answer, which may take hours: the caller's signal has it.
  readonly #agent: Dispatcher

  constructor({ url, apiKey }: { url: string; apiKey: string | null }) {
    this.#url = url
    this.#apiKey = apiKey
    this.#agent = dispatcherFor(url, { connect: { timeout: CONNECT_MS } })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  get url(): string {
    return this.#url
  }

  /** For error messages. */
  get name(): string {
    return `The MoRAG server at ${new URL(this.#url).host}`
  }

  /** Sends a form. @returns the answer's text, cut after {@link ANSWER_BYTES}. */
  async postForm(
    path: string,
    fields: Readonly<Record<string, string>>,
    file: FormFile,
    { headers = {}, secrets = [] }: Pick<Asked, 'headers' | 'secrets'>,
    signal: AbortSignal,
  ): Promise<{ text: string; isCut: boolean }> {
    const form = multipart(fields, file)
    const asked = { headers: { ...form.headers, ...headers }, body: form.body, secrets }
    return await this.#ask({ method: 'POST', path, ...asked }, signal)
  }

  /** A path's answer, read as JSON; undefined when it is none. */
  async getJson(path: string, signal: AbortSignal): Promise<unknown> {
    const { text } = await this.#ask({ method: 'GET', path }, signal)
    return tryJson(text)
  }

  /** A failure that the server reports in an answer that is a success. */
  failure(reason: string, secrets: readonly string[] = []): AppError {
    const why = printable(redacted(reason, [this.#apiKey, ...secrets]), { most: 500 })
    return new AppError('engine_failed', `${this.name} failed: ${why}`)
  }

  async #ask(
    { method, path, headers, body, secrets }: Asked,
    signal: AbortSignal,
  ): Promise<{ text: string; isCut: boolean }> {
    try {
      const response = await request(`${this.#url}${path}`, {
        dispatcher: this.#agent,
        method,
        headers: { ...this.#credentials(), ...headers },
        ...(body !== undefined && { body }),
        headersTimeout: 0,
        signal,
      })
      if (response.statusCode < 200 || response.statusCode >= 300)
        throw await this.#refusal(response, secrets ?? [])
      return await bodyText(response.body, ANSWER_BYTES)
    } catch (error) {
      throw this.#translated(error, signal)
    }
  }

  #credentials(): Record<string, string> {
    if (this.#apiKey === null) return {}
    return { authorization: `Bearer ${this.#apiKey}`, 'x-api-key': this.#apiKey }
  }

  async #refusal(
    { statusCode, headers, body }: Dispatcher.ResponseData,
    secrets: readonly string[],
  ): Promise<Refusal> {
    const { text } = await bodyText(body, REFUSAL_BYTES)
    const said = reasonIn(redacted(text, [this.#apiKey, ...secrets]))
    const hint =
      statusCode === 401 || statusCode === 403
        ? ' Give its key with --morag-api-key-file or MORAG_SERVER_API_KEY.'
        : ''
    const seconds = retryAfterSeconds(headers['retry-after'], timeOfDay(), DAY / SECOND)
    const message = `${this.name} answered ${statusCode}${said === '' ? '' : `: ${said.replace(/\.$/, '')}`}.${hint}`
    return new Refusal(codeOf(statusCode), message, statusCode, { retryAfterSeconds: seconds })
  }

  #translated(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const message = `${this.name} cannot be reached: ${networkReason(error)}.`
    return new AppError('unavailable', message, { cause: error })
  }
}

/** Only what says that the file itself is refused is final. */
function codeOf(status: number): ErrorCode {
  if (status === 413) return 'too_large'
  if ([400, 415, 422].includes(status)) return 'unsupported_media'
  if (status === 500) return 'engine_failed'
  return status === 429 ? 'too_many_requests' : 'unavailable'
}

function reasonIn(text: string): string {
  const { detail, error_message, message } = reasons.safeParse(tryJson(text)).data ?? {}
  const said = detail ?? error_message ?? message
  if (said === undefined || said === null) return ''
  return printable(typeof said === 'string' ? said : JSON.stringify(said), { most: 500 })
}
