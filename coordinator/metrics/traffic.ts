import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { Counter, type Registry } from 'prom-client'
import { API } from '../../shared/wire.ts'
import type { Env } from '../routes/http.ts'

interface Bytes {
  read: number
  written: number
}

interface Exchange {
  socket: Socket
  method: string
  route: string
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])

/**
 * Counts requests and bytes by route, headers and open requests included.
 * @returns the middleware, which must be the first.
 */
export function countTraffic(registry: Registry): MiddlewareHandler<Env> {
  const registers = [registry]
  const open = new Set<Exchange>()
  /** The part of a connection's traffic that has been counted. */
  const counted = new WeakMap<Socket, Bytes>()
  /** Since the last scrape, by route and by JSON of labels: an increment of the library costs much more. */
  const bytes = new Map<string, Bytes>()
  const answers = new Map<string, number>()

  function settle({ socket, route }: Exchange): void {
    const before = known(counted, socket)
    const { bytesRead, bytesWritten } = socket
    const sum = known(bytes, route)
    sum.read += Math.max(0, bytesRead - before.read)
    sum.written += Math.max(0, bytesWritten - before.written)
    Object.assign(before, { read: bytesRead, written: bytesWritten })
  }

  const requests = new Counter({
    name: 'morag_http_requests_total',
    help: 'Requests answered, by route; cut: the client disconnected before.',
    labelNames: ['method', 'route', 'status'],
    registers,
    collect() {
      for (const [labels, count] of answers) requests.inc(JSON.parse(labels), count)
      answers.clear()
    },
  })
  const received = new Counter({
    name: 'morag_http_received_bytes_total',
    help: 'Bytes received with requests, by route.',
    labelNames: ['route'],
    registers,
    collect() {
      for (const exchange of open) settle(exchange)
      for (const [route, { read, written }] of bytes) {
        received.inc({ route }, read)
        sent.inc({ route }, written)
      }
      bytes.clear()
    },
  })
  const sent = new Counter({
    name: 'morag_http_sent_bytes_total',
    help: 'Bytes sent with answers, by route.',
    labelNames: ['route'],
    registers,
  })

  function follow(exchange: Exchange, answer: ServerResponse): void {
    open.add(exchange)
    answer.once('close', () => {
      open.delete(exchange)
      settle(exchange)
      const { method, route } = exchange
      const status = answer.writableFinished ? String(answer.statusCode) : 'cut'
      const labels = JSON.stringify({ method, route, status })
      answers.set(labels, (answers.get(labels) ?? 0) + 1)
    })
  }

  return (c, next) => {
    const { incoming, outgoing } = c.env
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    const path = matchedRoutes(c).find((one) => !one.path.endsWith('*'))?.path ?? 'other'
    const route = path.startsWith(`${API}/`) ? path.slice(API.length) : path
    follow({ socket: incoming.socket, method, route }, outgoing)
    return next()
  }
}

function known<K>(
  map: { get(key: K): Bytes | undefined; set(key: K, value: Bytes): unknown },
  key: K,
): Bytes {
  let found = map.get(key)
  if (found === undefined) map.set(key, (found = { read: 0, written: 0 }))
  return found
}
