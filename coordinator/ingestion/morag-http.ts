import { request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { DAY, SECOND } from '../../shared/duration.ts'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { isNetworkError, networkReason, retryAfterSeconds } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { API } from '../../shared/wire.ts'
import { firstText } from './first-text.ts'
import { formBody, type FormFile } from './form-body.ts'
import { redacted } from './redacted.ts'

/** An answer may hold a document again; a refusal is short. */
export const ANSWER_BYTES = 64 * 1024 * 1024
const REFUSAL_BYTES = 64 * 1024
const CONNECT_MS = 10 * SECOND

/** What the server answered where it did not do what it was asked. */
export class Refusal extends AppError {
  readonly status: number

  constructor(code: ErrorCode, message: string, status: number, retryAfter: number | undefined) {
    super(code, message, retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter })
    this.status = status
  }
}

/** Where a refusal may say why. */
const spoken = z.looseObject({
  detail: z.unknown().optional(),
  error_message: z.unknown().optional(),
  message: z.unknown().optional(),
})

interface Asked {
  method: 'GET' | 'POST'
  /** Below `/api/v1`, or from the root. */
  path: string
  headers?: Record<string, string>
  body?: Dispatcher.RequestOptions['body']
  /** What the server may say again of what it has got, and nobody is to read. */
  secrets?: readonly string[]
}

/**
 * The MoRAG server's HTTP side. Every failure is an {@link AppError}: a {@link Refusal} for what it answered, else
 * `unavailable`. An aborted signal's reason is thrown as it is.
 */
export class MoragHttp {
  readonly #url: string
  readonly #apiKey: string | null
  // A server may take hours before it answers: how long is waited is the caller's to say.
  readonly #agent: Dispatcher

  constructor({ url, apiKey }: { url: string; apiKey: string | null }) {
    this.#url = url
    this.#apiKey = apiKey
    this.#agent = dispatcherFor(url, { connect: { timeout: CONNECT_MS } })
  }

  /** Cuts what is under way. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  get url(): string {
    return this.#url
  }

  /** How sentences call it. */
  get name(): string {
    return `The MoRAG server at ${new URL(this.#url).host}`
  }

  /** Sends a form; the answer's text, at most {@link ANSWER_BYTES} and one more. */
  async postForm(
    route: string,
    fields: Readonly<Record<string, string>>,
    file: FormFile,
    { headers = {}, secrets = [] }: Pick<Asked, 'headers' | 'secrets'>,
    signal: AbortSignal,
  ): Promise<string> {
    const form = formBody(fields, file)
    const asked = { headers: { ...form.headers, ...headers }, body: form.body, secrets }
    return await this.#ask({ method: 'POST', path: API + route, ...asked }, signal)
  }

  /** What a path answers, read as JSON; undefined when it is none. @param path from the root. */
  async getJson(path: string, signal: AbortSignal): Promise<unknown> {
    return parseJson(await this.#ask({ method: 'GET', path }, signal))
  }

  /** A failure that the server has told in its own words. */
  failure(reason: string, secrets: readonly string[] = []): AppError {
    const why = printable(redacted(reason, [this.#apiKey, ...secrets]), { most: 500 })
    return new AppError('engine_failed', `${this.name} failed: ${why}`)
  }

  async #ask(
    { method, path, headers, body, secrets }: Asked,
    signal: AbortSignal,
  ): Promise<string> {
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
      return await firstText(response.body, ANSWER_BYTES + 1)
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
    const said = saidIn(redacted(await firstText(body, REFUSAL_BYTES), [this.#apiKey, ...secrets]))
    const hint =
      statusCode === 401 || statusCode === 403
        ? ' Give its key with --morag-api-key-file or MORAG_SERVER_API_KEY.'
        : ''
    const after = [headers['retry-after']].flat()[0]
    const seconds = retryAfterSeconds(after, timeOfDay(), DAY / SECOND)
    const message = `${this.name} answered ${statusCode}${said === '' ? '' : `: ${said.replace(/\.$/, '')}`}.${hint}`
    return new Refusal(codeOf(statusCode), message, statusCode, seconds)
  }

  #translated(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const message = `${this.name} cannot be reached: ${networkReason(error)}.`
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

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
