import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'
import { SECOND } from '../../shared/duration.ts'
import { isSystemError, messageOf, statusOf, type ErrorCode } from '../../shared/errors.ts'

/** The newest request on a connection, and its answer. */
interface Exchange {
  request: IncomingMessage
  answer: ServerResponse
}

/** A refusal, as every answer has it. */
interface Said {
  code: ErrorCode
  detail: string
}

/**
 * Cuts clients off that keep a request or an answer waiting: of neither has a byte moved for `idleMs`. A client that
 * waits for us, for work or for a slow disk, is left alone. What is no request that can be answered by a route is
 * answered here.
 */
export function refuseUnfit(server: Server, idleMs: number, log: Logger): void {
  const newest = new WeakMap<Socket, Exchange>()
  const seconds = idleMs / SECOND
  const cutOff = (socket: Socket, heldBy: 'nobody' | 'reader' | 'sender'): void => {
    const exchange = newest.get(socket)
    const { method, url } = exchange?.request ?? {}
    const facts = { method, path: url?.split('?')[0], from: socket.remoteAddress }
    if (heldBy === 'sender') {
      log.info(facts, `cut off: nothing of the request came for ${seconds} s`)
      const detail = `Nothing of the request came for ${seconds} seconds: send it again.`
      return answer(socket, exchange, { code: 'request_timeout', detail })
    }
    if (heldBy === 'reader')
      log.info(facts, `cut off: nothing of the answer was taken for ${seconds} s`)
    socket.destroy()
  }
  server.timeout = idleMs
  server.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    newest.set(request.socket, { request, answer })
  })
  server.on('timeout', (socket: Socket) => {
    const moved = (): number => socket.bytesRead + socket.bytesWritten
    const before = moved()
    // Where we stood still ourselves, what has come meanwhile is read before this.
    setImmediate(() => {
      if (socket.destroyed) return
      const cut = moved() === before ? heldUpBy(socket, newest.get(socket)) : 'us'
      if (cut === 'us') socket.setTimeout(idleMs)
      else cutOff(socket, cut)
    })
  })
  server.on('clientError', (error: Error, socket: Socket) => {
    const said = refusalOf(error)
    const exchange = newest.get(socket)
    if (said === null) socket.destroy()
    else if (said.code === 'request_timeout') {
      // As above: the parser lives, and goes on with headers that are whole by then.
      setImmediate(() => {
        if (newest.get(socket) === exchange) answer(socket, exchange, said)
      })
    } else answer(socket, exchange, said)
  })
}

/** Who is to do something next on a connection where nothing has happened. */
function heldUpBy(
  socket: Socket,
  exchange: Exchange | undefined,
): 'nobody' | 'us' | 'reader' | 'sender' {
  if (socket.writableLength > 0) return 'reader'
  if (exchange === undefined) return socket.bytesRead > 0 ? 'sender' : 'nobody'
  const { request, answer: given } = exchange
  if (given.writableFinished) return 'nobody'
  return request.complete || request.readableLength > 0 ? 'us' : 'sender'
}

/** What the parser's complaint means to its sender; null: there is nobody to tell. */
function refusalOf(error: Error): Said | null {
  if (isSystemError(error, 'HPE_HEADER_OVERFLOW')) {
    const detail =
      'The headers are longer than the 16 KiB allowed here: shorten the address or the cookies.'
    return { code: 'headers_too_large', detail }
  }
  if (isSystemError(error, 'ERR_HTTP_REQUEST_TIMEOUT')) {
    return { code: 'request_timeout', detail: 'The headers took too long to come: send it again.' }
  }
  if (!('code' in error && String(error.code).startsWith('HPE_'))) return null
  return { code: 'bad_request', detail: `That is no HTTP request: ${messageOf(error)}.` }
}

/** Answers past the routes and ends the connection; where an answer has begun already it only ends. */
function answer(socket: Socket, exchange: Exchange | undefined, { code, detail }: Said): void {
  const hasBegun = exchange?.answer.headersSent === true && !exchange.answer.writableFinished
  if (!socket.writable || hasBegun) return void socket.destroy()
  const status = statusOf(code)
  const body = JSON.stringify({ detail, code })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `${COORDINATOR_MARK}: ${MARK_VALUE}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}
