import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { Connection, type ConnectionOptions } from '../../shared/connection.ts'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'

export interface Seen {
  method: string
  /** Path and query. */
  url: string
  headers: IncomingMessage['headers']
  body: string
}

type Handler = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void

/** A real HTTP server on a free port; `seen` is every request so far. */
export async function startServer(
  t: TestContext,
  handler: Handler,
): Promise<{ url: string; port: number; seen: Seen[]; close(): Promise<void> }> {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      }
      seen.push(one)
      handler(one, response, request)
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.after(close)
  return { url: `http://127.0.0.1:${port}`, port, seen, close }
}

/** What every answer of a coordinator has. */
export const MARK = { [COORDINATOR_MARK]: MARK_VALUE }

/** An answer as a coordinator gives it. */
export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...MARK, ...headers })
  response.end(JSON.stringify(body))
}

/** A client that is quick to try again. */
export function clientOf(
  t: TestContext,
  url: string,
  options: Partial<ConnectionOptions> = {},
): Client {
  const connection = new Connection({ retryMinMs: 1, retryMaxMs: 5, ...options, url })
  t.after(() => connection.close())
  return new Client(connection)
}
