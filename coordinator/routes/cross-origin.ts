import type { MiddlewareHandler } from 'hono'
import type { Env } from './http.ts'

/**
 * Lets pages of other origins call the API (CORS). Their requests carry a token of their own: cookies are never allowed.
 * The headers are set on Node's response, so that streamed answers have them too.
 */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler<Env> {
  return (c, next) => {
    const { outgoing } = c.env
    const origin = c.req.header('origin')
    if (origins.length > 0) outgoing.setHeader('vary', 'origin')
    if (origin === undefined || !origins.includes(origin)) return next()
    outgoing.setHeader('access-control-allow-origin', origin)
    outgoing.setHeader('access-control-expose-headers', '*')
    const method = c.req.header('access-control-request-method')
    if (c.req.method !== 'OPTIONS' || method === undefined) return next()
    const answer = c.body(null, 204, {
      'access-control-allow-methods': method,
      'access-control-allow-headers': c.req.header('access-control-request-headers') ?? '',
      'access-control-max-age': '7200',
    })
    return Promise.resolve(answer)
  }
}
