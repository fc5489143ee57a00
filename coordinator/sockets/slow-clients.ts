import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'
import { SECOND } from '../../shared/duration.ts'
import { isSystemError, messageOf, statusOf, type ErrorCode } from '../../shared/errors.ts'

/** The newest request on a connection. */
interface Exchange {
  request: IncomingMessage
  answer: ServerResponse
}

interface Refusal {
  code: ErrorCode
  detail: string
}

/**
 * Cuts off clients that send no byte of a request, or take no byte of an answer, for `idleMs`; not those that wait for the
 * coordinator. Also answers what is no valid HTTP request.
 */
export function refuseUnfit(server: Server, idleMs: number, log: Logger): void {
  const newest = new WeakMap<Socket, Exchange>()
  const seconds = idleMs / SECOND
  const cutOff = (socket: Socket, heldBy: 'none' | 'reader' | 'sender'): void => {
    const exchange = newest.get(socket)
    const { method, url } = exchange?.request ?? {}
    const facts = { method, path: url?.split('?')[0], from: socket.remoteAddress }
    if (heldBy === 'sender') {
      log.info(facts, `cut off: no byte of the request received for ${seconds} s`)
      const detail = `No byte of the request was received for ${seconds} seconds: send it again.`
      return answer(socket, exchange, { code: 'request_timeout', detail })
    }
    if (heldBy === 'reader')
      log.info(facts, `cut off: no byte of the answer accepted for ${seconds} s`)
    socket.destroy()
  }
  server.timeout = idleMs
  server.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    newest.set(request.socket, { request, answer })
  })
  server.on('timeout', (socket: Socket) => {
    const moved = (): number => socket.bytesRead + socket.bytesWritten
    const before = moved()
    // After a standstill of the process, received bytes are read first.
    setImmediate(() => {
      if (socket.destroyed) return
      const cut = moved() === before ? heldUpBy(socket, newest.get(socket)) : 'coordinator'
      if (cut === 'coordinator') socket.setTimeout(idleMs)
      else cutOff(socket, cut)
    })
  })
  server.on('clientError', (error: Error, socket: Socket) => {
    const refusal = refusalOf(error)
    const exchange = newest.get(socket)
    if (refusal === null) socket.destroy()
    else if (refusal.code === 'request_timeout') {
      // As above: headers that have arrived by then are still parsed.
      setImmediate(() => {
        if (newest.get(socket) === exchange) answer(socket, exchange, refusal)
      })
    } else answer(socket, exchange, refusal)
  })
}

/** Which side an idle connection waits for. */
function heldUpBy(
  socket: Socket,
  exchange: Exchange | undefined,
): 'none' | 'coordinator' | 'reader' | 'sender' {
  if (socket.writableLength > 0) return 'reader'
  if (exchange === undefined) return socket.bytesRead > 0 ? 'sender' : 'none'
  const { request, answer: given } = exchange
  if (given.writableFinished) return 'none'
  return request.complete || request.readableLength > 0 ? 'coordinator' : 'sender'
}

/** The answer to a parser error; null: none is possible. */
function refusalOf(error: Error): Refusal | null {
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

/** Answers outside of the app and ends the connection; after a started answer it only ends. */
function answer(socket: Socket, exchange: Exchange | undefined, { code, detail }: Refusal): void {
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
