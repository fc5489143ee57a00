import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'

const MAX_LISTENERS = 20

/**
 * Watches a server's connections. @returns a function that ends each with its open answer, so that kept-alive connections
 * do not delay the server's close.
 */
export function connectionsOf(server: Server): () => void {
  const connections = new Map<Socket, Set<ServerResponse>>()
  const answersOf = (socket: Socket): Set<ServerResponse> => {
    const known = connections.get(socket)
    if (known !== undefined) return known
    const answers = new Set<ServerResponse>()
    connections.set(socket, answers)
    socket.once('close', () => connections.delete(socket))
    return answers
  }
  server.on(
    server instanceof SecureServer ? 'secureConnection' : 'connection',
    (socket: Socket) => void answersOf(socket),
  )
  let ending = false
  const endWith = (answer: ServerResponse): void => {
    const { socket } = answer
    if (!answer.headersSent) answer.shouldKeepAlive = false
    else answer.once('finish', () => socket?.destroySoon())
  }
  server.prependListener('request', (request: IncomingMessage, answer: ServerResponse) => {
    // Many listeners for an answer's end are no leak.
    answer.setMaxListeners(MAX_LISTENERS)
    if (ending) return endWith(answer)
    const answers = answersOf(request.socket)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
  })
  return () => {
    ending = true
    for (const [socket, answers] of connections) {
      // Node counts connections without a request, and those that have their answer, as busy.
      if (answers.size === 0) socket.destroy()
      for (const answer of answers) endWith(answer)
    }
  }
}

/**
 * Answers `Expect: 100-continue`, which curl sends, only when the body is read: a request that is refused by its headers
 * sends no body.
 */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (request, answer) => {
    const onListener = (event: string | symbol): void => {
      if (event !== 'data' && event !== 'readable') return
      request.off('newListener', onListener)
      if (!answer.headersSent) answer.writeContinue()
    }
    request.on('newListener', onListener)
    server.emit('request', request, answer)
  })
}

/**
 * Closes the answers of pipelined requests with their connection. Node closes only the first, and the others would leak.
 */
export function closeInLine(server: Server): void {
  const inLine = new WeakMap<Socket, Set<ServerResponse>>()
  const lineOf = (socket: Socket): Set<ServerResponse> => {
    const answers = new Set<ServerResponse>()
    inLine.set(socket, answers)
    socket.once('close', () => {
      for (const answer of answers) {
        // Node closes the current one.
        if (answer.socket !== null) continue
        answer.destroy()
        answer.emit('close')
      }
    })
    return answers
  }
  server.prependListener('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const answers = inLine.get(socket) ?? lineOf(socket)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
  })
}
