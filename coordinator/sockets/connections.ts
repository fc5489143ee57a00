import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'

const MOST_WATCHERS = 20

/**
 * Watches a server's connections; returns what makes each of them end with the answer under way on it. A client that
 * keeps its connection would else hold the server until that is cut.
 */
export function connectionsOf(server: Server): () => void {
  /** Each connection's answers under way. */
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
    // Whoever watches over an answer, streams included, does so by its end: that is no leak.
    answer.setMaxListeners(MOST_WATCHERS)
    if (ending) return endWith(answer)
    const answers = answersOf(request.socket)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
  })
  return () => {
    ending = true
    for (const [socket, answers] of connections) {
      // Node takes for busy what has no request yet, as browsers open connections, and what has its answer already.
      if (answers.size === 0) socket.destroy()
      for (const answer of answers) endWith(answer)
    }
  }
}

/**
 * Lets a client that asks first (`Expect: 100-continue`, as curl does) send its body only once somebody reads it: who is
 * refused by the headers alone has sent nothing for it, and its connection ends with the answer.
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
 * Lets an answer end with its connection also where its turn had not come. Of requests that were sent without waiting for
 * the answer to the one before, Node closes that of the first alone, and the others would be held for ever.
 */
export function closeInLine(server: Server): void {
  const inLine = new WeakMap<Socket, Set<ServerResponse>>()
  const lineOf = (socket: Socket): Set<ServerResponse> => {
    const answers = new Set<ServerResponse>()
    inLine.set(socket, answers)
    socket.once('close', () => {
      for (const answer of answers) {
        // It has its turn, and Node tells it.
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
