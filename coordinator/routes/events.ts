import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** What happens, as it happens. */
export function eventRoutes({ events }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/events', async (c) => {
    // An answer without a body would never end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
    await events.open(c.env.outgoing, c.req.header('last-event-id') ?? null, null)
    return RESPONSE_ALREADY_SENT
  })

  return app
}
