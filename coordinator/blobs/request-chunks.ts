import type { IncomingMessage } from 'node:http'

/**
 * A request's body piece by piece. However its reader stops (by an error, or before the end), the request stays open
 * and is let go of: an answer has to go back through its socket, and the server reads over what is left.
 * @throws {Error} when it breaks off before its end.
 */
export async function* chunksOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>
  try {
    // One by one: a loop, or yield*, would hand its reader's error on, and that ends the connection.
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      yield next.value
    }
  } finally {
    await chunks.return?.()
  }
  if (!request.complete) throw new Error('the connection was cut')
}
