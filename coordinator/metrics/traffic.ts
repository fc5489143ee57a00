import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { Counter, type Registry } from 'prom-client'
import { API } from '../../shared/wire.ts'
import type { Env } from '../routes/http.ts'

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
  const counted = new WeakMap<Socket, { read: number; written: number }>()

  function settle({ socket, route }: Exchange): void {
    const before = counted.get(socket) ?? { read: 0, written: 0 }
    const now = { read: socket.bytesRead, written: socket.bytesWritten }
    counted.set(socket, now)
    received.inc({ route }, Math.max(0, now.read - before.read))
    sent.inc({ route }, Math.max(0, now.written - before.written))
  }

  const requests = new Counter({
    name: 'morag_http_requests_total',
    help: 'Requests answered, by route; cut: the client disconnected before.',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const received = new Counter({
    name: 'morag_http_received_bytes_total',
    help: 'Bytes received with requests, by route.',
    labelNames: ['route'],
    registers,
    collect() {
      for (const exchange of open) settle(exchange)
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
      requests.inc({ method, route, status })
    })
  }

  return async (c, next) => {
    const { incoming, outgoing } = c.env
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    const path = matchedRoutes(c).find((one) => !one.path.endsWith('*'))?.path ?? 'other'
    const route = path.startsWith(`${API}/`) ? path.slice(API.length) : path
    follow({ socket: incoming.socket, method, route }, outgoing)
    await next()
  }
}
