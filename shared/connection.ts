import { request, type Dispatcher } from 'undici'
import { z } from 'zod'
import type { Backoff } from './backoff.ts'
import { coordinatorUrl } from './base-url.ts'
import { bodyText, tryJson } from './body-text.ts'
import { hasMark } from './coordinator-mark.ts'
import { dispatcherFor, proxyHint } from './env-proxy.ts'
import { AppError } from './errors.ts'
import { fromWire, type FromWire } from './keys.ts'
import { isCertificateError, isNetworkError, networkReason, schemeHint } from './network.ts'
import { retry } from './retry.ts'
import {
  isTransient,
  UnexpectedAnswer,
  Unreachable,
  type Intercepted,
  type Refusal,
  refusalOf,
} from './refusal.ts'

const KEY_HINT = "Give the coordinator's key with --api-key-file or MORAG_API_KEY."
const MIB = 1024 * 1024
/** Twice the limit of a result. */
const MOST_ANSWER_BYTES = 128 * MIB
const MOST_REFUSAL_BYTES = MIB
const NEVER = new AbortController().signal

export interface ConnectionOptions {
  /** With or without a trailing `/` or `/api/v1`. */
  url: string
  apiKey?: string | null
  /** What to do about a key that is refused, as a sentence. */
  keyHint?: string
  userAgent?: string
  /** Tries after the first; default of each call. */
  retries?: number
  retryMinMs?: number
  retryMaxMs?: number
  /** How long the coordinator may send nothing. */
  timeoutMs?: number
}

export interface CallOptions {
  signal?: AbortSignal
  retries?: number
  onRetry?: (error: unknown, attempt: number) => void
}

export interface Exchange extends CallOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  headers?: Record<string, string>
  body?: Dispatcher.DispatchOptions['body']
  timeoutMs?: number
}

export class Connection {
  readonly url: string
  readonly timeoutMs: number
  readonly #options: Required<ConnectionOptions>
  readonly #agent: Dispatcher
  readonly backoff: Backoff
  /** Whether the last success had the mark. */
  #isMarking = false

  /** @throws {AppError} `usage` when the url is not one. */
  constructor(options: ConnectionOptions) {
    this.#options = {
      apiKey: null,
      keyHint: KEY_HINT,
      userAgent: 'morag-agent',
      retries: 4,
      retryMinMs: 1_000,
      retryMaxMs: 30_000,
      timeoutMs: 60_000,
      ...options,
    }
    this.url = coordinatorUrl(options.url)
    this.timeoutMs = this.#options.timeoutMs
    this.backoff = { minMs: this.#options.retryMinMs, maxMs: this.#options.retryMaxMs }
    this.#agent = dispatcherFor(this.url, { connect: { timeout: 10_000 } })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /**
   * One request, without retries. The answer may have any status.
   * @param path from the coordinator's root, starting with one `/`.
   * @throws {Unreachable} when the coordinator does not answer; the signal's reason when it was aborted.
   */
  async exchange(path: string, options: Exchange = {}): Promise<Dispatcher.ResponseData> {
    const { method = 'GET', headers = {}, body = null, signal, timeoutMs } = options
    const timeout = timeoutMs ?? this.#options.timeoutMs
    const { apiKey, userAgent } = this.#options
    try {
      return await request(`${this.url}${safePath(path)}`, {
        dispatcher: this.#agent,
        method,
        headers: {
          'user-agent': userAgent,
          ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
        body,
        headersTimeout: timeout,
        bodyTimeout: timeout,
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      throw this.translated(error, signal)
    }
  }

  /**
   * A successful answer as JSON in the code's shape, after retries. `prepare` as for {@link text}.
   * @throws {Refusal} with the coordinator's own code and message; {@link UnexpectedAnswer} when something else answered.
   */
  async ask<S extends z.ZodType>(
    schema: S,
    path: string,
    options: Exchange,
    prepare: Exchange | (() => Exchange | Promise<Exchange>) = {},
  ): Promise<FromWire<z.output<S>>> {
    const json = tryJson(await this.text(path, prepare, options))
    if (json === undefined) {
      throw new UnexpectedAnswer(
        `The answer of ${this.url} is not JSON: is a MoRAG coordinator there?`,
      )
    }
    const parsed = schema.safeParse(json)
    if (parsed.success) return fromWire(parsed.data)
    const message = `The answer of ${this.url} is not what this program expects: update the older of the two. ${z.prettifyError(parsed.error)}`
    throw new UnexpectedAnswer(message, { cause: parsed.error })
  }

  /** The body of a successful answer, after retries. `prepare` makes the request anew for each try. */
  async text(
    path: string,
    prepare: Exchange | (() => Exchange | Promise<Exchange>),
    options: Exchange,
  ): Promise<string> {
    const { signal = NEVER, retries = this.#options.retries, onRetry } = options
    return await retry({ ...this.backoff, signal, retries, isTransient, onRetry }, async () => {
      const prepared = typeof prepare === 'function' ? await prepare() : prepare
      const response = await this.exchange(path, { ...options, ...prepared })
      if (response.statusCode >= 300) throw await this.refusal(response)
      this.#isMarking = hasMark(response.headers)
      const body = bodyText(response.body, MOST_ANSWER_BYTES)
      const { text, isCut } = await body.catch((error: unknown) => {
        throw this.translated(error, options.signal)
      })
      if (!isCut) return text
      throw new UnexpectedAnswer(
        `${this.url} answered with more than ${MOST_ANSWER_BYTES / MIB} MiB: is a MoRAG coordinator there?`,
      )
    })
  }

  /** Whether an answer lacks the mark of a coordinator that is known to set it. */
  isForeign(headers: Dispatcher.ResponseData['headers']): boolean {
    return this.#isMarking && !hasMark(headers)
  }

  async refusal({
    statusCode,
    headers,
    body,
  }: Dispatcher.ResponseData): Promise<Refusal | Intercepted> {
    const { text } = await bodyText(body, MOST_REFUSAL_BYTES).catch(() => ({ text: '' }))
    const { keyHint } = this.#options
    const context = { url: this.url, keyHint, isMarking: this.#isMarking }
    return refusalOf({ status: statusCode, headers, text }, context)
  }

  /** An error of undici as one of errors.ts; the reason of an aborted signal takes precedence. */
  translated(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const fix = isCertificateError(error)
      ? 'Install a certificate that this machine trusts, or trust its issuer: NODE_EXTRA_CA_CERTS=ca.pem.'
      : (schemeHint(error, this.url) ??
        proxyHint(this.url) ??
        'Start it with morag-coordinator serve, or set --url (MORAG_API_BASE_URL).')
    const message = `Cannot reach the coordinator at ${this.url}: ${networkReason(error)}. ${fix}`
    return new Unreachable(message, { cause: error })
  }
}

/** Keeps a path from a coordinator's answer on that coordinator: the API key is sent with it. */
function safePath(path: string): string {
  if (/^\/(?![/\\])[\x21-\x7e]*$/.test(path)) return path
  throw new AppError('bad_request', 'The coordinator sent a source URL that is not a path.')
}
