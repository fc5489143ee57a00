import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { nameOf, type Records } from './records.ts'

export interface Receiver {
  readonly url: string
  close(): void
}

/** How many deliveries it turns down, to be brought again. */
const REFUSALS = 0.05

/** Where webhooks go. */
export async function startReceiver(records: Records, random: () => number): Promise<Receiver> {
  const server = createServer((request, response) => {
    const cameAt = Date.now()
    text(request).then(
      (raw) => {
        if (random() < REFUSALS) {
          records.count('webhook turned down')
          return response.writeHead(503).end()
        }
        const { data } = JSON.parse(raw) as {
          data: { job_id: string; status: string; content: string | null }
        }
        records.notified.add(data.job_id)
        if (data.status === 'completed' && data.content !== null) {
          const content = nameOf(data.content)
          records.add({ kind: 'read', jobId: data.job_id, content }, cameAt, 'done')
        }
        return response.writeHead(204).end()
      },
      () => undefined,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
