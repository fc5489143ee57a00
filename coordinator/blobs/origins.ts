import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { networkReason } from '../../shared/network.ts'
import { startTimer } from '../../shared/timers.ts'
import { VERSION } from '../../shared/version.ts'
import type { AddressGuard } from '../ingestion/address-guard.ts'
import type { Origin, Source } from '../job/job.ts'
import { tooLarge } from './body-file.ts'
import { mediaTypeIn } from './media-type.ts'
import {
  authorizationOf,
  hasOther,
  nameIn,
  refusalIn,
  refused,
  totalIn,
  urlIn,
  validatorIn,
  type Headers,
} from './origin-answer.ts'
import { inTime, OriginStream } from './origin-stream.ts'

export interface OriginsOptions {
  guard: AddressGuard
  maxBytes: number
  now: () => number
  log: Logger
  /** How long a server may send nothing; default: less than a worker waits for the coordinator. */
  idleMs?: number
  /** As {@link LASTING_MS}. */
  lastingMs?: number
}

/** A file at an address. */
export interface FoundFile {
  origin: Origin
  filename: string
  head: Buffer
  /** The server's `Content-Type`. */
  declared: string
  /** Null: unknown. */
  sizeBytes: number | null
  /** The whole file; once. @throws {AppError} */
  read(): Promise<Readable>
  /** Ends the connection, where the file is not read. */
  discard(): void
}

interface Answer {
  status: number
  headers: Headers
  body: IncomingMessage
  /** After redirects. */
  url: URL
}

/** Enough to recognise a file's type. */
const HEAD_BYTES = 64 * 1024
const MAX_REDIRECTS = 5
/** Hours of video arrive in it over a slow line; a radio stream, which has no end, would go on for days. */
const LASTING_MS = HOUR

/**
 * The web servers that sources come from. Each address, also of a redirect, is one that the guard allows. Not with undici:
 * version 7 ends the process when a server closes the connection of a body that waits for its reader (nodejs/undici#5360).
 * @throws {AppError} `source_missing` for good; `bad_gateway` where a later try may succeed.
 */
export class Origins {
  readonly #options: OriginsOptions
  readonly #idleMs: number
  readonly #closing = new AbortController()
  readonly #agents = { 'http:': new http.Agent(), 'https:': new https.Agent() }

  constructor(options: OriginsOptions) {
    this.#options = options
    this.#idleMs = options.idleMs ?? 25 * SECOND
  }

  get maxBytes(): number {
    return this.#options.maxBytes
  }

  /** Cuts all downloads. */
  close(): void {
    this.#closing.abort(new AppError('unavailable', 'The coordinator stops.'))
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  /**
   * Fetches without a client that could end it.
   * @throws {AppError} `bad_gateway` when it takes an hour; `unavailable` when the coordinator stops.
   */
  async lasting<T>(fetch: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ending = new AbortController()
    const message = 'The file took too long: its server may send without an end.'
    const timer = startTimer(
      () => ending.abort(new AppError('bad_gateway', message)),
      this.#options.lastingMs ?? LASTING_MS,
    )
    try {
      return await fetch(AbortSignal.any([ending.signal, this.#closing.signal]))
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Finds a file by a request for its first bytes: the answer shows more than one to HEAD, which many servers refuse.
   * @throws {AppError} `too_large`, too.
   */
  async find(address: string, signal: AbortSignal): Promise<FoundFile> {
    const url = urlIn(address)
    const { answer, sizeBytes, validator } = await this.#begin(url, signal)
    const stream = new OriginStream(answer.body, this.#idleMs)
    try {
      const { maxBytes } = this.#options
      if ((sizeBytes ?? 0) > maxBytes) throw tooLarge(maxBytes)
      const head = answer.status === 416 ? Buffer.alloc(0) : await stream.head(HEAD_BYTES)
      if (head.length === 0) throw refused(`The file at ${url.host} is empty.`)
      const origin = { url: url.href, validator, mediaType: await mediaTypeIn(head) }
      return {
        origin,
        filename: nameIn(answer.headers, [answer.url, url]),
        head,
        declared: answer.headers['content-type'] ?? '',
        sizeBytes,
        read: async () =>
          validator === null
            ? stream.read({ length: sizeBytes, cut: this.#cut(url) })
            : await this.read({ origin, sizeBytes: sizeBytes! }, { start: 0, end: sizeBytes! - 1 }),
        discard: () => stream.discard(),
      }
    } catch (error) {
      stream.discard()
      throw failureOf(error, url, signal)
    }
  }

  /** The first bytes of a file that can be fetched in ranges; else, without a validator, the whole, or 416. */
  async #begin(
    url: URL,
    signal: AbortSignal,
  ): Promise<{ answer: Answer; sizeBytes: number | null; validator: string | null }> {
    const first = await this.#get(url, { range: `bytes=0-${HEAD_BYTES - 1}` }, signal)
    const total = first.status === 206 ? totalIn(first.headers, 0) : null
    const validator = total === null ? null : validatorIn(first.headers)
    if (validator !== null) return { answer: first, sizeBytes: total, validator }
    if (first.status === 206) discard(first)
    const answer = first.status === 206 ? await this.#get(url, {}, signal) : first
    const { status, headers } = answer
    if (status !== 200 && status !== 416) {
      discard(answer)
      throw refusalIn(url, status, headers, this.#options.now())
    }
    const length = headers['content-length']
    return { answer, sizeBytes: length === undefined ? null : Number(length), validator }
  }

  /**
   * A range, both ends included, of a file that has not changed since it was found.
   * @throws {AppError} `source_changed`, too.
   */
  async read(
    { origin, sizeBytes }: Pick<Source, 'origin' | 'sizeBytes'>,
    { start, end }: { start: number; end: number },
  ): Promise<Readable> {
    const url = urlIn(origin!.url)
    const validator = origin!.validator!
    const answer = await this.#get(url, { range: `bytes=${start}-${end}`, 'if-range': validator })
    const { status, headers, body } = answer
    const stream = new OriginStream(body, this.#idleMs)
    try {
      const isFile = status === 200 || status === 206
      if (!isFile && status !== 412 && status !== 416)
        throw refusalIn(url, status, headers, this.#options.now())
      // A cache on the way may answer with the whole.
      const size = status === 206 ? totalIn(headers, start) : Number(headers['content-length'])
      if (!isFile || size !== sizeBytes || hasOther(validator, headers))
        throw new AppError('source_changed', `The file at ${url.host} has changed since.`)
      const skip = status === 200 ? start : 0
      return stream.read({ skip, length: end - start + 1, cut: this.#cut(url) })
    } catch (error) {
      stream.discard()
      throw error
    }
  }

  /** The answer after redirects. */
  async #get(first: URL, asked: Headers, signal?: AbortSignal): Promise<Answer> {
    let url = first
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const why = this.#options.guard.whyNot(url)
      if (why !== null) throw refused(why)
      // The name and password of an address are for its own server.
      const login = url.origin === first.origin ? authorizationOf(first) : {}
      const answer = await this.#send(url, { ...asked, ...login }, signal)
      const { location, 'content-encoding': coding = 'identity' } = answer.headers
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined
      if (!isRedirect && coding === 'identity') return answer
      discard(answer)
      if (!isRedirect) throw refused(`${url.host} sends the file compressed (${coding}) only.`)
      url = urlIn(location, url)
    }
    throw refused(`${first.host} redirects more than ${MAX_REDIRECTS} times.`)
  }

  async #send(url: URL, headers: Headers, signal?: AbortSignal): Promise<Answer> {
    const bare = new URL(url)
    bare.username = bare.password = ''
    const isTls = url.protocol === 'https:'
    const request = (isTls ? https : http).request(bare, {
      agent: this.#agents[isTls ? 'https:' : 'http:'],
      lookup: this.#options.guard.lookup,
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': `morag-coordinator/${VERSION}`,
        ...headers,
      },
      ...(signal !== undefined && { signal }),
    })
    // Also after the answer has begun, whose reader gets the error.
    request.on('error', () => undefined).end()
    try {
      const [body] = (await inTime(once(request, 'response'), request, this.#idleMs)) as [
        IncomingMessage,
      ]
      return { status: body.statusCode ?? 0, headers: body.headers as Headers, body, url }
    } catch (error) {
      throw failureOf(error, url, signal)
    }
  }

  #cut({ host }: URL): (error: unknown) => AppError {
    return (error) => {
      const why = error === undefined ? 'it ended too early' : networkReason(error)
      const message = `The download from ${host} broke off: ${why}.`
      this.#options.log.warn(message)
      return new AppError('bad_gateway', message, { cause: error })
    }
  }
}

function discard({ body }: Answer): void {
  body.on('error', () => undefined).destroy()
}

function failureOf(error: unknown, { host }: URL, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason
  // The guard's.
  if (error instanceof AppError)
    return error.code === 'forbidden' ? refused(`${error.message}.`) : error
  const message = `${host} could not be reached: ${networkReason(error)}.`
  return new AppError('bad_gateway', message, { cause: error })
}
