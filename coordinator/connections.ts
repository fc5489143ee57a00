import type { Server, ServerResponse } from 'node:http'

/**
 * Watches a server's connections; returns what makes each of them end with the answer under way on it. A client that
 * keeps its connection would else hold the server until that is cut.
 */
export function connectionsOf(server: Server): () => void {
  const answers = new Set<ServerResponse>()
  let ending = false
  const endWith = (answer: ServerResponse): void => {
    const { socket } = answer
    if (!answer.headersSent) answer.shouldKeepAlive = false
    else answer.once('finish', () => socket?.destroySoon())
  }
  server.prependListener('request', (_, answer: ServerResponse) => {
    if (ending) return endWith(answer)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
  })
  return () => {
    ending = true
    for (const answer of answers) endWith(answer)
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
