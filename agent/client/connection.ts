import { Agent, request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { hasMark, interceptedText, isOfCoordinator } from '../../shared/coordinator-mark.ts'
import { AppError, isErrorCode, type ErrorCode } from '../../shared/errors.ts'
import {
  isCertificateError,
  isNetworkError,
  networkReason,
  retryAfterSeconds,
} from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { schemeHint } from '../../shared/scheme-hint.ts'
import { errorAnswer } from '../../shared/wire.ts'
import { answerText } from './answer-text.ts'
import { Garbled, Intercepted, Refusal, retrying, Unreachable } from './retry.ts'

const KEY_HINT = "Give the coordinator's key with --api-key-file or MORAG_API_KEY."
const MIB = 1024 * 1024
/** Twice what a result may be: nothing that we ask for is longer. */
const MOST_ANSWER_BYTES = 128 * MIB
const MOST_REFUSAL_BYTES = MIB
const NEVER = new AbortController().signal

export interface ConnectionOptions {
  /** Where the coordinator is, with or without a trailing `/` or `/api/v1`. */
  url: string
  apiKey?: string | null
  /** What to do about a key that is not taken. */
  keyHint?: string
  userAgent?: string
  /** Tries after the first, where a call does not say otherwise. */
  retries?: number
  retryMinMs?: number
  retryMaxMs?: number
  /** How long a silent coordinator is waited for. */
  timeoutMs?: number
}

export interface CallOptions {
  signal?: AbortSignal
  retries?: number
  /** Called before each wait for another try. */
  onRetry?: (error: unknown, attempt: number) => void
}

export interface Exchange extends CallOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  headers?: Record<string, string>
  body?: Dispatcher.DispatchOptions['body']
  timeoutMs?: number
}

/** HTTP to one coordinator: its url, our key, our patience. */
export class Connection {
  readonly url: string
  readonly timeoutMs: number
  readonly #options: Required<ConnectionOptions>
  readonly #agent: Agent
  /** Whether the last success had the mark. */
  #isMarking = false

  /** @throws {AppError} `usage` when the url is not one. */
  constructor(options: ConnectionOptions) {
    this.#options = {
      apiKey: null,
      keyHint: KEY_HINT,
      userAgent: 'morag-agent',
      retries: 4,
      retryMinMs: 500,
      retryMaxMs: 30_000,
      timeoutMs: 60_000,
      ...options,
    }
    this.url = baseUrl(options.url)
    this.timeoutMs = this.#options.timeoutMs
    this.#agent = new Agent({ connect: { timeout: 10_000 } })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /**
   * One request as it is, without retries and whatever the answer's status is.
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

  /** The body of a successful answer; retried, refusals thrown. `prepare` makes the request anew for each try. */
  async text(
    path: string,
    prepare: Exchange | (() => Exchange | Promise<Exchange>),
    options: Exchange,
  ): Promise<string> {
    const { retries, retryMinMs: minMs, retryMaxMs: maxMs } = this.#options
    const { signal = NEVER, onRetry } = options
    return await retrying(
      { signal, retries: options.retries ?? retries, minMs, maxMs, onRetry },
      async () => {
        const prepared = typeof prepare === 'function' ? await prepare() : prepare
        const response = await this.exchange(path, { ...options, ...prepared })
        if (response.statusCode >= 300) throw await this.refusal(response)
        this.#isMarking = hasMark(response.headers)
        const text = await answerText(response.body, MOST_ANSWER_BYTES).catch((error: unknown) => {
          throw this.translated(error, options.signal)
        })
        if (text !== null) return text
        throw new Garbled(
          `${this.url} answered with more than ${MOST_ANSWER_BYTES / MIB} MiB: is a MoRAG coordinator there?`,
        )
      },
    )
  }

  /** What an answer that is not a success says: a coordinator's {@link Refusal}, or that something is in the way. */
  async refusal({
    statusCode,
    headers,
    body,
  }: Dispatcher.ResponseData): Promise<Refusal | Intercepted> {
    const text = (await answerText(body, MOST_REFUSAL_BYTES).catch(() => null)) ?? ''
    const after = headers['retry-after']
    const seconds = retryAfterSeconds(Array.isArray(after) ? after[0] : after, Date.now())
    const options = seconds === undefined ? {} : { retryAfterSeconds: seconds }
    const { code, detail } = errorAnswer.safeParse(parseJson(text)).data ?? {}
    if (!isOfCoordinator(headers, code, this.#isMarking)) {
      const what = interceptedText(statusCode, headers, text)
      const message = interceptedMessage(this.url, statusCode, what, headers['location'])
      return new Intercepted(statusCode, what, message, options)
    }
    const said = typeof detail === 'string' ? detail : describe(detail ?? `status ${statusCode}`)
    const hint = statusCode === 401 || statusCode === 403 ? ` ${this.#options.keyHint}` : ''
    const known = isErrorCode(code) ? code : codeOf(statusCode)
    return new Refusal(statusCode, known, `${said}${hint}`, options)
  }

  /** An error of undici in our words; a signal's reason goes first. */
  translated(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const fix = isCertificateError(error)
      ? 'Give it one that this machine trusts, or trust its issuer: NODE_EXTRA_CA_CERTS=ca.pem.'
      : (schemeHint(error, this.url) ??
        'Start it with morag-coordinator serve, or set --url (MORAG_API_BASE_URL).')
    const message = `Cannot reach the coordinator at ${this.url}: ${networkReason(error)}. ${fix}`
    return new Unreachable(message, error)
  }
}

/** The key goes with every request: where to is for a person to decide, so no redirect is followed. */
function interceptedMessage(
  url: string,
  status: number,
  what: string,
  location: string | string[] | undefined,
): string {
  const to = printable([location].flat()[0] ?? 'elsewhere', { most: 200 })
  const fix =
    status < 400
      ? `It redirects to ${to}, which is not followed: set --url (MORAG_API_BASE_URL) to where the coordinator is.`
      : status === 413
        ? 'Raise its limit on request bodies (nginx: client_max_body_size).'
        : 'Look at the proxy or firewall before it, or set --url (MORAG_API_BASE_URL).'
  return `Cannot reach the coordinator at ${url}: something else answered ${what}. ${fix}`
}

/** The coordinator's root without a trailing `/` or `/api/v1`. @throws {AppError} `usage` */
export function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AppError(
      'usage',
      `'${text}' is not a coordinator's URL (--url, MORAG_API_BASE_URL): write it like http://127.0.0.1:8000.`,
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError(
      'usage',
      `Take the name and password out of the coordinator's URL (${url.host}): its key goes into --api-key-file or MORAG_API_KEY.`,
    )
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
}

/** A path from a coordinator's answer stays on that coordinator: the api key goes with it. */
function safePath(path: string): string {
  if (/^\/(?![/\\])[\x21-\x7e]*$/.test(path)) return path
  throw new AppError('bad_request', 'The coordinator gave a source url that is not a path.')
}

/** JSON, or undefined where the text is none. */
export function parseJson(text: string): unknown {
  try {
    return text === '' ? null : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

const BY_STATUS: Record<number, ErrorCode> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'unavailable',
  409: 'conflict',
  413: 'too_large',
  416: 'range_not_satisfiable',
  422: 'invalid',
  429: 'too_many_requests',
  503: 'unavailable',
  507: 'no_space',
}

function codeOf(status: number): ErrorCode {
  return BY_STATUS[status] ?? (status >= 500 ? 'internal' : 'bad_request')
}

/** A 422's list of problems in one line. */
function describe(detail: unknown): string {
  const problem = z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })
  const problems = z.array(problem).safeParse(detail)
  if (!problems.success) return JSON.stringify(detail)
  return problems.data.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
}
