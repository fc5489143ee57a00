import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import { SECOND } from '../../shared/duration.ts'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { AppError } from '../../shared/errors.ts'
import { networkReason } from '../../shared/network.ts'
import type { TrustedProxies } from '../access/trusted-proxies.ts'
import { chunksOf } from '../blobs/body-file.ts'
import { leadsUp } from './plain-path.ts'
import { endToEnd, headersToServer, type ProxyKeys } from './proxy-headers.ts'

export interface ProxyOptions extends ProxyKeys {
  /** Without a slash at the end. */
  moragUrl: string
  trustedProxies: TrustedProxies
}

/** Streams requests to the MoRAG server and its answers back, both unchanged. */
export class MoragProxy {
  readonly #options: ProxyOptions
  readonly #base: URL
  // Answers have no timeout; idle connections do not keep the process alive.
  readonly #agent: Dispatcher

  constructor(options: ProxyOptions) {
    this.#options = options
    this.#base = new URL(options.moragUrl)
    this.#agent = dispatcherFor(options.moragUrl, { connect: { timeout: 10 * SECOND } })
  }

  /**
   * Answers a request with the server's answer. The request stays open when the server stops reading it: the answer goes
   * back through its socket.
   * @param body replaces the request's own body, which has been read.
   * @throws {AppError} `not_found` for a path out of the API; `bad_gateway` when the server does not answer.
   */
  async forward(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: Readable | null = null,
  ): Promise<void> {
    const target = targetOf(incoming.url ?? '/')
    if (leadsUp(target)) throw new AppError('not_found', 'There is nothing by that path.')
    const gone = new AbortController()
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) gone.abort(new Error('The caller went away.'))
    })
    const hasBody = 'content-length' in incoming.headers || 'transfer-encoding' in incoming.headers
    const sent = hasBody ? (body ?? Readable.from(chunksOf(incoming), { objectMode: false })) : null
    const answer = await this.#send(target, incoming, sent, gone.signal)
    if (answer === null) return
    // Those are for answers of the coordinator.
    for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name)
    outgoing.writeHead(answer.statusCode, endToEnd(answer.headers))
    // Sends the headers before the first event of a stream. Not flushHeaders: that writes them as UTF-8.
    outgoing.write(Buffer.alloc(0))
    try {
      await pipeline(answer.body, outgoing)
    } catch {
      // The status is out: a reset connection shows that the answer is cut.
      outgoing.destroy()
      answer.body.destroy()
    }
  }

  /** The server's answer; null when the caller has gone. */
  async #send(
    target: string,
    incoming: IncomingMessage,
    body: Readable | null,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData | null> {
    const { trustedProxies } = this.#options
    try {
      return await this.#agent.request({
        origin: this.#base.origin,
        // Not through URL, which normalises paths.
        path: this.#base.pathname.replace(/\/$/, '') + target,
        method: incoming.method as Dispatcher.HttpMethod,
        headers: headersToServer(incoming, this.#options, trustedProxies.sent(incoming)),
        body,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      })
    } catch (error) {
      if (signal.aborted || incoming.errored !== null) return null
      const message = `The MoRAG server at ${this.#options.moragUrl} did not answer (${networkReason(error)}): nothing was taken, send it again later.`
      throw new AppError('bad_gateway', message, { cause: error })
    }
  }
}

/** A request's path and query as written, also of a request in absolute form. */
function targetOf(url: string): string {
  return url.startsWith('/') ? url : url.replace(/^[a-z]+:\/\/[^/?]*/i, '')
}
