import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { Origins, type OriginsOptions } from '../../coordinator/blobs/origins.ts'
import { AddressGuard } from '../../coordinator/ingestion/address-guard.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface WebServer {
  url: string
  port: number
  /** `GET /talk.mp3 bytes=0-65535`, in order. */
  readonly asked: string[]
  /** What is there, by path. */
  readonly files: Map<string, Buffer | Handler>
}

/** A stand-in for nginx 1.22, as recorded: one range at a time, If-Range by ETag. It ends with the test. */
export async function startWebServer(
  t: Pick<TestContext, 'after'>,
  host = '127.0.0.1',
): Promise<WebServer> {
  const asked: string[] = []
  const files: WebServer['files'] = new Map()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x')
    asked.push([request.method, request.url, request.headers.range].filter(Boolean).join(' '))
    const found = files.get(pathname)
    if (typeof found === 'function') return found(request, response)
    if (found === undefined) return void response.writeHead(404).end('<html>404</html>')
    sendBytes(request, response, found)
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://${host}:${port}`, port, asked, files }
}

export function sendBytes(
  { headers }: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
): void {
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`
  const size = bytes.length
  const same = headers['if-range'] === undefined || headers['if-range'] === etag
  const range = same ? /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') : null
  const start = Number(range?.[1] ?? 0)
  const end = Math.min(size, Number(range?.[2] || size - 1) + 1)
  const facts = { 'content-type': 'audio/mpeg', etag, 'accept-ranges': 'bytes' }
  if (range !== null && start >= size) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
    return
  }
  const part = range === null ? bytes : bytes.subarray(start, end)
  const partial = range !== null && { 'content-range': `bytes ${start}-${end - 1}/${size}` }
  response.writeHead(range === null ? 200 : 206, {
    ...facts,
    'content-length': part.length,
    ...partial,
  })
  response.end(part)
}

/** @param lookup of host names; default: the system's. */
export function originsFor(different: Partial<OriginsOptions> = {}): Origins {
  const rules = { flag: '--source-allow', isPublicAllowed: true }
  return new Origins({
    guard: new AddressGuard(['127.0.0.1'], undefined, rules),
    maxBytes: 1024 ** 2,
    now: Date.now,
    log: pino({ enabled: false }),
    ...different,
  })
}
