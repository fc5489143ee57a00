import { once } from 'node:events'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** A request as it came to the proxy. */
export interface Passing {
  method: string
  /** Path and query. */
  url: string
  headers: IncomingMessage['headers']
  /** When, on the clock of performance.now(). */
  at: number
  /** How much of the answer's body went through so far. */
  answeredBytes: number
  /** Which of the agent's requests it is. */
  kind: 'claim' | 'heartbeat' | 'download' | 'artifact' | 'result' | 'other'
}

/** What somebody else says in the coordinator's place. */
export interface Said {
  status: number
  headers?: Record<string, string>
  /** A function makes a body that comes piece after piece. */
  body: string | (() => Iterable<string>)
}

/**
 * What becomes of a request. `pass`: it goes through. `cut`: its connection ends, and the coordinator has not received it.
 * `hold`: neither is there an answer, nor has the coordinator received it. `lose`: the coordinator has done it, and the
 * connection ends in place of the answer. A number: that many bytes of the answer's body go through, then the connection
 * ends, or (`hold`) nothing more comes.
 */
export type Fate =
  | 'pass'
  | 'cut'
  | 'hold'
  | 'lose'
  | { bytes: number; end: 'cut' | 'hold' }
  | { say: Said }

/** The network between an agent and its coordinator, for a test to break. */
export class Proxy {
  readonly #target: string
  readonly #host: string
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<{ fits: (one: Passing) => boolean; resolve: () => void }>()
  #server: Server | null = null
  #port = 0
  /** Asked for every request. */
  fate: (one: Passing) => Fate = () => 'pass'
  readonly seen: Passing[] = []

  private constructor(target: string, host: string) {
    this.#target = target
    this.#host = host
  }

  static async open(target: string, host = '127.0.0.1'): Promise<Proxy> {
    const proxy = new Proxy(target, host)
    await proxy.comeBack()
    return proxy
  }

  get url(): string {
    return `http://${this.#host}:${this.#port}`
  }

  of(kind: Passing['kind']): Passing[] {
    return this.seen.filter((one) => one.kind === kind)
  }

  /** Resolves with the next request that fits, from now on. */
  async next(fits: (one: Passing) => boolean): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.add({ fits, resolve }))
  }

  /** Cuts every connection and refuses new ones. */
  async goAway(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    server.close()
    this.cut()
    if (server.listening) await once(server, 'close')
  }

  /** There again, at the same address. */
  async comeBack(): Promise<void> {
    const server = createServer((request, response) => this.#take(request, response))
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.listen(this.#port, this.#host)
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  /** Cuts every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request
    const came = { at: performance.now(), answeredBytes: 0, kind: kindOf(url) }
    const one: Passing = { method, url, headers, ...came }
    response.on('error', () => {})
    request.on('error', () => {})
    this.seen.push(one)
    const fate = this.fate(one)
    for (const waiter of this.#waiting) {
      if (!waiter.fits(one)) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
    if (fate === 'cut') request.destroy()
    else if (fate === 'hold') request.resume()
    else if (typeof fate === 'object' && 'say' in fate) say(request, response, fate.say)
    else this.#pass(request, response, one, fate)
  }

  #pass(
    request: IncomingMessage,
    response: ServerResponse,
    one: Passing,
    fate: Exclude<Fate, 'cut' | 'hold' | { say: Said }>,
  ): void {
    const { method, url, headers } = request
    const onward = httpRequest(`${this.#target}${url}`, { method, headers, agent: false })
    response.on('close', () => onward.destroy())
    onward.on('error', () => response.destroy())
    onward.on('response', (answer) => {
      answer.on('error', () => response.destroy())
      if (fate === 'lose') {
        answer.resume().on('end', () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      const count = (chunk: Buffer): void => void (one.answeredBytes += chunk.length)
      if (fate === 'pass') answer.on('data', count).pipe(response)
      else passSome(answer, response, fate, count)
    })
    request.pipe(onward)
  }
}

function kindOf(url: string): Passing['kind'] {
  if (url.endsWith('/remote-jobs/claim')) return 'claim'
  if (url.endsWith('/heartbeat')) return 'heartbeat'
  if (url.includes('/download')) return 'download'
  if (url.includes('/artifacts/')) return 'artifact'
  return url.endsWith('/result') ? 'result' : 'other'
}

function say(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Said) {
  request.resume()
  response.writeHead(status, { 'content-type': 'text/html', ...headers })
  if (typeof body === 'string') response.end(body)
  else void pipeline(Readable.from(body()), response).catch(() => {})
}

/** The beginning of an answer, and then an end of the connection, or nothing more. */
function passSome(
  answer: IncomingMessage,
  response: ServerResponse,
  { bytes, end }: { bytes: number; end: 'cut' | 'hold' },
  count: (part: Buffer) => void,
): void {
  let left = bytes
  answer.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left)
    left -= part.length
    count(part)
    // What was written still goes out: the connection ends after it.
    response.write(part, () => {
      if (left === 0 && end === 'cut') response.socket?.destroySoon()
    })
    if (left === 0) answer.pause()
  })
}
