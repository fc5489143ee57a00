import {
  Agent,
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'

/** One of the coordinators behind a front. */
interface Target {
  port: number
  isUp: boolean
  agent: Agent
}

/** How often it looks whether they live. Who takes longer than `limitMs` to say so is passed by. */
const LOOKS = { everyMs: 500, limitMs: 1_500 }

/**
 * A load balancer: each request goes to the next of the coordinators that answer, one that stops answering loses its
 * connections, and what may be sent again is: requests that change nothing, and those that were not sent.
 * @param mayCut gets each connection to a coordinator, and may end it.
 * @returns the server, to be given connections.
 */
export function openFront(
  ports: readonly number[],
  mayCut: (socket: Socket) => void,
  looks = LOOKS,
): Server {
  const targets = ports.map((port) => ({ port, isUp: true, agent: new Agent({ keepAlive: true }) }))
  const known = new WeakSet<Socket>()
  let turn = 0
  const next = (tried: ReadonlySet<Target>): Target | undefined => {
    const left = targets.filter((one) => one.isUp && !tried.has(one))
    return left[(turn += 1) % left.length]
  }

  function send(request: IncomingMessage, response: ServerResponse, tried: Set<Target>): void {
    const target = next(tried)
    if (target === undefined) return refuse(request, response)
    tried.add(target)
    const { method = '', url = '', headers } = request
    const onward = httpRequest({
      port: target.port,
      agent: target.agent,
      method,
      path: url,
      headers,
    })
    let isSent = false
    onward.on('socket', (socket) => {
      if (!known.has(socket)) mayCut(socket)
      known.add(socket)
      whenOpen(socket, () => {
        isSent = true
        request.pipe(onward)
      })
    })
    onward.on('response', (answer) => {
      answer.on('error', () => response.destroy())
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => {
      request.unpipe(onward)
      const mayRepeat = !isSent || method === 'GET' || method === 'HEAD'
      if (response.headersSent) response.destroy()
      else if (mayRepeat && !response.destroyed) send(request, response, tried)
      else refuse(request, response)
    })
    endsWith(response, onward)
  }

  const looking = setInterval(() => {
    for (const target of targets) look(target, looks.limitMs)
  }, looks.everyMs)
  const front = createServer((request, response) => {
    request.on('error', () => {})
    response.on('error', () => {})
    send(request, response, new Set())
  })
  return front.on('close', () => {
    clearInterval(looking)
    for (const { agent } of targets) agent.destroy()
  })
}

function whenOpen(socket: Socket, work: () => void): void {
  if (socket.connecting) socket.once('connect', work)
  else work()
}

/** Who leaves is not answered any more. */
function endsWith(response: ServerResponse, onward: ClientRequest): void {
  response.once('close', () => {
    if (!response.writableFinished) onward.destroy()
  })
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  if (response.headersSent || response.destroyed) return
  response.writeHead(502, { server: 'edge', 'content-type': 'text/html', connection: 'close' })
  response.end('<html><body>nginx</body></html>')
}

/** Any answer will do, also that there is no database. */
function look(target: Target, limitMs: number): void {
  const asked = httpRequest({
    port: target.port,
    path: '/api/v1/health',
    agent: false,
    signal: AbortSignal.timeout(limitMs),
  })
  asked.on('response', (answer) => {
    answer.resume()
    target.isUp = true
  })
  asked.on('error', () => {
    if (!target.isUp) return
    target.isUp = false
    target.agent.destroy()
  })
  asked.end()
}
