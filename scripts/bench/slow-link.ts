import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

/** A proxy before a coordinator with a limit on bytes per second, all answers together. */
export async function slowLink(
  target: string,
  bytesPerSecond: number,
): Promise<{ url: string; close: () => void }> {
  const { hostname, port } = new URL(target)
  // When the next byte may go: what one answer sends, another one waits for.
  let free = performance.now()
  const throttle = (): Transform =>
    new Transform({
      async transform(chunk: Buffer, _encoding, done) {
        free = Math.max(free, performance.now()) + (chunk.length / bytesPerSecond) * 1000
        await delay(free - performance.now())
        done(null, chunk)
      },
    })
  const server: Server = createServer((asked, answer) => {
    const { method, url: path, headers } = asked
    const onward = request({ hostname, port, method, path, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.pipe(throttle()).pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    asked.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${own}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
