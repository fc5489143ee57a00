import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

export interface FlakyFront {
  url: string
  /** How often each `Idempotency-Key` has come. */
  tries: ReadonlyMap<string, number>
}

/**
 * Stands between a client and the coordinator as a bad line does: what is sent with an `Idempotency-Key` arrives, but
 * its first answer is lost and becomes a 503. Once a client has been answered that a task is not done, `asked` is called.
 */
export async function startFlakyFront(
  t: Pick<TestContext, 'after'>,
  target: string,
  asked: (taskId: string) => void,
): Promise<FlakyFront> {
  const tries = new Map<string, number>()
  const server = createServer((incoming, response) => {
    void (async () => {
      const key = incoming.headers['idempotency-key']?.toString()
      if (key !== undefined) tries.set(key, (tries.get(key) ?? 0) + 1)
      const answer = await passOn(incoming, target)
      const body = await buffer(answer)
      if (key !== undefined && tries.get(key) === 1)
        return void response.writeHead(503, { 'retry-after': '1' }).end()
      response.writeHead(answer.statusCode!, answer.headers).end(body)
      const task = /^\/api\/v1\/status\/(.+)$/.exec(incoming.url!)?.[1]
      // Claimed for another's sake it has started already.
      if (task !== undefined && /"status":"(PENDING|STARTED)"/.test(body.toString())) asked(task)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tries }
}

async function passOn(incoming: IncomingMessage, target: string): Promise<IncomingMessage> {
  const { method = 'GET', url = '/', headers } = incoming
  const request = httpRequest(new URL(url, target), { method, headers })
  incoming.pipe(request)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  return answer
}
