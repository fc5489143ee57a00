import { backoffMs, MAX_RETRY_AFTER_SECONDS, retryAfterSeconds } from '../backoff.ts'
import { timeOfDay } from '../time-of-day.ts'
import { MoragError } from './error.ts'
import type { CallOptions, ClientOptions } from './options.ts'
import { pause, within } from './pause.ts'

export interface Exchange extends CallOptions {
  method?: string
  headers?: Record<string, string>
  body?: NonNullable<RequestInit['body']>
  retries?: number
  /** Of each try, its answer read. */
  timeoutMs?: number | undefined
  /** For so long in all, tries that break after a long wait for the answer do not count as such. Default: 0. */
  patienceMs?: number
}

const BACKOFF = { minMs: 500, maxMs: 30_000 }
const TIMEOUT_MS = 60_000
/** Of large transcripts. */
export const RESULT_MS = 600_000
/** Longer than a connection takes, shorter than proxies and runtimes wait for an answer. */
const LONG_WAIT_MS = 30_000

/** Requests to one coordinator, below `/api/v1`, with its key. */
export class Requests {
  readonly url: string
  /** Whether its answers are known to have their mark. */
  #isMarking = false
  readonly #options: ClientOptions

  /** @throws {MoragError} `usage` when the address or the key is not one. */
  constructor(options: ClientOptions) {
    this.url = baseOf(options.url)
    checkHeader('apiKey', options.apiKey)
    this.#options = options
  }

  /** One try. @throws {MoragError}; the signal's reason. */
  async open(path: string, { method = 'GET', headers, body, signal }: Exchange): Promise<Response> {
    // Called as a function of its own: as a method of another object browsers refuse it.
    const { fetch = globalThis.fetch, apiKey } = this.#options
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }), ...headers },
      redirect: 'manual',
      signal: signal ?? null,
      body: body ?? null,
      // What a stream needs.
      duplex: 'half',
    })
    const isMarked = response.headers.has('morag-coordinator')
    this.#isMarking ||= isMarked
    // Of a page of something on the way, too.
    if (!response.ok || isMarked !== this.#isMarking) throw await this.#refusal(response)
    return response
  }

  /** An answer, after retries. @throws {MoragError}; the signal's reason. */
  async ask<T>(
    path: string,
    options: Exchange,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const {
      signal,
      retries = this.#options.retries ?? 5,
      timeoutMs = TIMEOUT_MS,
      patienceMs = 0,
      ...init
    } = options
    const beganMs = performance.now()
    for (let failures = 1; ; failures += 1) {
      const triedMs = performance.now()
      try {
        return await within(timeoutMs, signal, async (inner) =>
          read(await this.open(path, { ...init, signal: inner })),
        )
      } catch (error) {
        signal?.throwIfAborted()
        const known = this.expected(error)
        const nowMs = performance.now()
        if (nowMs - triedMs >= LONG_WAIT_MS && nowMs - beganMs < patienceMs) failures = 0
        if (!known.retryable || failures > retries) throw known
        await this.rest(known, failures, signal)
      }
    }
  }

  async json<T>(path: string, options: Exchange): Promise<T> {
    return await this.ask(path, options, async (response) => {
      const text = await response.text()
      try {
        return JSON.parse(text) as T
      } catch (cause) {
        const message = `The answer of ${this.url} is not JSON: is a MoRAG coordinator there?`
        throw new MoragError('bad_gateway', message, { retryable: true, cause })
      }
    })
  }

  /** Waits before another try. */
  async rest(error: MoragError, failures: number, signal: AbortSignal | undefined): Promise<void> {
    const asked = Math.min(error.retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS) * 1000
    const waitMs = Math.max(asked, backoffMs(failures, BACKOFF))
    this.#options.onRetry?.(error, waitMs)
    await this.sleep(waitMs, signal)
  }

  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    await (this.#options.sleep ?? pause)(ms, signal)
  }

  /** An error of `fetch`, or of reading its answer. */
  expected(error: unknown): MoragError {
    if (error instanceof MoragError) return error
    const cause = error instanceof Error ? error.cause : undefined
    if (cause instanceof MoragError) return cause
    if (cause instanceof Error && cause.name === 'NotReadableError')
      return new MoragError('usage', 'The file can no longer be read.', { cause })
    const reason = [error, cause]
      .map((one) => (one instanceof Error ? one.message : ''))
      .filter(Boolean)
    const message = `Cannot reach the coordinator at ${this.url}: ${reason.join(': ')}`
    return new MoragError('unavailable', message, { retryable: true, cause: error })
  }

  async #refusal(response: Response): Promise<MoragError> {
    const { status, headers, type } = response
    const text = await response.text().catch(() => '')
    const { code, detail } = detailOf(text)
    const after = retryAfterSeconds(headers.get('retry-after') ?? undefined, timeOfDay(), Infinity)
    if (!headers.has('morag-coordinator') && (code === undefined || this.#isMarking)) {
      const redirects = type === 'opaqueredirect' || (status >= 300 && status < 400)
      const message = redirects
        ? `${this.url} redirects to ${headers.get('location') ?? 'elsewhere'}, which is not followed: give the address where the coordinator is.`
        : `Something else than a coordinator answered at ${this.url}: status ${status}.`
      return new MoragError('unavailable', message, {
        status,
        retryable: !redirects && status !== 413,
        retryAfterSeconds: after,
      })
    }
    return new MoragError(
      code ?? (status >= 500 ? 'internal' : 'bad_request'),
      detail ?? `Status ${status}.`,
      { status, retryAfterSeconds: after },
    )
  }
}

/** A refusal's code and sentence; the problems of a request that does not fit on one line. */
function detailOf(text: string): { code?: string; detail?: string } {
  try {
    const { code, detail } = JSON.parse(text) as {
      code?: string
      detail?: string | { loc: (string | number)[]; msg: string }[]
    }
    if (typeof code !== 'string') return {}
    const problems = Array.isArray(detail)
      ? detail.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
      : detail
    return { code, ...(typeof problems === 'string' && { detail: problems }) }
  } catch {
    return {}
  }
}

/** @throws {MoragError} `usage` when it cannot be the value of a header; without the value, which may be a secret. */
export function checkHeader(name: string, value = ''): void {
  try {
    new Headers({ name: value })
  } catch {
    throw new MoragError('usage', `The ${name} has characters that a header cannot have.`)
  }
}

function baseOf(url: string | URL): string {
  const parsed = URL.canParse(String(url)) ? new URL(url) : null
  if (parsed !== null && /^https?:$/.test(parsed.protocol))
    return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
  throw new MoragError(
    'usage',
    `'${String(url)}' is not a coordinator's address: write it like http://127.0.0.1:8000.`,
  )
}
