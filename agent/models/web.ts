import { request, type Dispatcher } from 'undici'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { AppError } from '../../shared/errors.ts'
import { retryAfterSeconds } from '../../shared/backoff.ts'
import { isNetworkError, networkReason } from '../../shared/network.ts'
import { Refusal, Unreachable } from '../../shared/refusal.ts'
import type { Site } from './config.ts'
import type { Digest } from './model.ts'

const MAX_REDIRECTS = 8

export interface Answer {
  statusCode: number
  header(name: string): string | null
  /** The digest that Hugging Face announces for a large file before it redirects. */
  promised: Digest | null
  body: Dispatcher.ResponseData['body']
}

export class Web {
  readonly #site: Site
  readonly #idleMs: number
  /** By origin: redirects lead to others. */
  readonly #dispatchers = new Map<string, Dispatcher>()

  constructor(site: Site, idleMs = 30_000) {
    this.#site = site
    this.#idleMs = idleMs
  }

  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((one) => one.destroy()))
  }

  /** The URL that is requested for one of the catalogue's. */
  locate(url: string): URL {
    const { mirror } = this.#site
    return new URL(mirror === null ? url : `${mirror}${new URL(url).pathname}`)
  }

  /**
   * Follows redirects. The caller reads or destroys the body.
   * @throws {Refusal} for a status of failure, {Unreachable} without an answer; the signal's reason.
   */
  async get(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    let at = this.locate(url)
    let promised: Digest | null = null
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await this.#ask(at, headers, signal)
      const header = (name: string): string | null => one(response.headers[name])
      promised ??= linkedDigest(header('x-linked-etag'))
      const { statusCode, body } = response
      if ([200, 206, 416].includes(statusCode)) return { statusCode, header, promised, body }
      await body.dump().catch(() => undefined)
      const location = header('location')
      if (![301, 302, 303, 307, 308].includes(statusCode) || location === null) {
        throw this.#refusal(at, statusCode, header('retry-after'))
      }
      at = onwards(at, location)
    }
    throw new AppError('model_missing', `${at.host} redirects too often`)
  }

  /** Wraps undici's errors; the signal's reason goes first. */
  translated(error: unknown, url: string, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason
    if (error instanceof AppError || !isNetworkError(error)) return error
    const message = `${this.locate(url).host}: ${networkReason(error)}`
    return new Unreachable(message, { cause: error })
  }

  async #ask(
    url: URL,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { origin, authorization } = this.#site
    // Redirects may lead to other hosts, which must not get the key.
    const key = url.origin === origin && authorization !== null ? { authorization } : {}
    try {
      return await request(url, {
        dispatcher: this.#dispatcherOf(url),
        headers: {
          'user-agent': 'morag-agent',
          'accept-encoding': 'identity',
          ...headers,
          ...key,
        },
        headersTimeout: this.#idleMs,
        bodyTimeout: this.#idleMs,
        signal,
      })
    } catch (error) {
      throw this.translated(error, url.href, signal)
    }
  }

  #dispatcherOf(url: URL): Dispatcher {
    const known = this.#dispatchers.get(url.origin)
    const dispatcher = known ?? dispatcherFor(url.href, { connect: { timeout: 10_000 } })
    this.#dispatchers.set(url.origin, dispatcher)
    return dispatcher
  }

  #refusal({ host, pathname }: URL, status: number, retryAfter: string | null): Refusal {
    if (status === 401 || status === 403) {
      const message = `${host} does not allow access to ${pathname} (${status}): ${this.#site.keyHint}`
      return new Refusal(status, 'forbidden', message)
    }
    if (status === 404 || status === 410) {
      return new Refusal(status, 'not_found', `${host} has no ${pathname}`)
    }
    const seconds = retryAfterSeconds(retryAfter ?? undefined, timeOfDay())
    const message = `${host} answered ${status} for ${pathname}`
    return new Refusal(status, 'unavailable', message, { retryAfterSeconds: seconds })
  }
}

function onwards(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : null
  const isSafe =
    to?.protocol === 'https:' || (to?.protocol === 'http:' && from.protocol === 'http:')
  if (to !== null && isSafe) return to
  throw new AppError('model_missing', `${from.host} redirects to '${location}', which is not safe`)
}

/** Only large files have a SHA-256 there. */
function linkedDigest(header: string | null): Digest | null {
  const hex = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(header ?? '')?.[1]
  return hex === undefined ? null : { algorithm: 'sha256', hex }
}

function one(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null
}
