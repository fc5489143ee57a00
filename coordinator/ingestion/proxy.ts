import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Agent, request, type Dispatcher } from 'undici'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { isNetworkError, networkReason } from '../../shared/network.ts'

export interface ProxyOptions {
  /** Without a slash at the end. */
  moragUrl: string
  /** Put in the place of our own key. */
  moragApiKey: string | null
  /** Ours, which is for nobody else to see. */
  ownApiKey: string | null
}

/** What is about one connection, and not about the request (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
])

/** Passes requests on to the MoRAG server as they came, and its answers back as they are, both streamed. */
export class MoragProxy {
  readonly #options: ProxyOptions
  // A server may think for long before it answers.
  readonly #agent = new Agent({
    connect: { timeout: 10 * SECOND },
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  constructor(options: ProxyOptions) {
    this.#options = options
  }

  /**
   * @param body what is sent in the place of the request's own, which has been read.
   * @param different headers that say what that body is, where it is another.
   * @throws {AppError} `bad_gateway` when the server cannot be reached or breaks off before it answers.
   */
  async forward(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    body: Readable | null,
    different: Record<string, string> = {},
  ): Promise<void> {
    const gone = new AbortController()
    outgoing.once('close', () => gone.abort(new Error('The caller went away.')))
    const answer = await this.#send(incoming, body, different, gone.signal)
    outgoing.writeHead(answer.statusCode, passing(answer.headers))
    try {
      await pipeline(answer.body, outgoing)
    } catch (error) {
      // The status is out: all that is left is to let the caller see that it is not whole.
      outgoing.destroy()
      if (!isSystemError(error, 'ERR_STREAM_PREMATURE_CLOSE') && !gone.signal.aborted) {
        if (!isNetworkError(error)) throw error
      }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #send(
    incoming: IncomingMessage,
    body: Readable | null,
    different: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { moragUrl } = this.#options
    const { headers } = incoming
    const hasBody = 'content-length' in headers || 'transfer-encoding' in headers
    try {
      return await request(moragUrl + (incoming.url ?? '/'), {
        dispatcher: this.#agent,
        method: incoming.method as Dispatcher.HttpMethod,
        headers: { ...this.#headers(incoming), ...different },
        body: hasBody ? (body ?? incoming) : null,
        signal,
      })
    } catch (error) {
      // What went wrong may be the upload: the client's connection was cut, or it is too large.
      if (body?.errored && body.errored !== error) throw body.errored
      const why = networkReason(error)
      const message = `The MoRAG server at ${moragUrl} did not answer (${why}): nothing was taken, send it again later.`
      throw new AppError('bad_gateway', message, { cause: error })
    }
  }

  #headers(incoming: IncomingMessage): Record<string, string | string[]> {
    const { moragApiKey, ownApiKey } = this.#options
    const headers = passing(incoming.headers)
    if (ownApiKey !== null) {
      if (headers['authorization'] === `Bearer ${ownApiKey}`) delete headers['authorization']
      if (headers['x-api-key'] === ownApiKey) delete headers['x-api-key']
    }
    if (moragApiKey !== null && !('authorization' in headers) && !('x-api-key' in headers)) {
      headers['authorization'] = `Bearer ${moragApiKey}`
      headers['x-api-key'] = moragApiKey
    }
    const address = incoming.socket.remoteAddress
    const before = incoming.headers['x-forwarded-for']
    if (address !== undefined)
      headers['x-forwarded-for'] = [before, address].flat().filter(Boolean).join(', ')
    headers['x-forwarded-host'] ??= incoming.headers.host ?? ''
    headers['x-forwarded-proto'] ??= 'http'
    return headers
  }
}

function passing(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  return Object.fromEntries(
    Object.entries(headers).filter(
      (pair): pair is [string, string | string[]] =>
        pair[1] !== undefined && !HOP_BY_HOP.has(pair[0]) && !named.includes(pair[0]),
    ),
  )
}
