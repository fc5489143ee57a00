import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

/** What came to a webhook. */
export interface Delivery {
  headers: IncomingHttpHeaders
  raw: string
  body: Record<string, unknown>
}

export interface Receiver {
  readonly url: string
  readonly deliveries: readonly Delivery[]
  /** How the coming deliveries are answered. */
  answer: { status: number; headers?: Record<string, string>; body?: string }
  /** The delivery of that number, from 0, once it has come. */
  delivery(number: number): Promise<Delivery>
}

/**
 * A webhook's other end: a real server on this machine. It goes with the test.
 * @param listenOn a port; 0: any.
 */
export async function startReceiver(
  t: Pick<TestContext, 'after'>,
  listenOn = 0,
): Promise<Receiver> {
  const deliveries: Delivery[] = []
  const waiting: { number: number; resolve: (delivery: Delivery) => void }[] = []
  const receiver: { answer: Receiver['answer'] } = { answer: { status: 204 } }
  const server = createServer((request, response) => {
    void text(request).then((raw) => {
      const body = JSON.parse(raw) as Record<string, unknown>
      deliveries.push({ headers: request.headers, raw, body })
      const { answer } = receiver
      response.writeHead(answer.status, answer.headers).end(answer.body)
      for (const one of waiting) {
        const found = deliveries[one.number]
        if (found !== undefined) one.resolve(found)
      }
    })
  })
  server.listen(listenOn, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${port}/hook?secret=in-the-query`,
    deliveries,
    async delivery(number: number) {
      const found = deliveries[number]
      if (found !== undefined) return found
      return await new Promise<Delivery>((resolve) => waiting.push({ number, resolve }))
    },
  })
}
