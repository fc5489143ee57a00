import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { maySee } from '../access/ownership.ts'
import type { Job } from '../job.ts'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** What happens, as it happens. */
export function eventRoutes({ events }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/events', async (c) => {
    // An answer without a body would never end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
    const { principal } = c.var
    const sees = principal.role === 'submit' ? (job: Job) => maySee(principal, job) : null
    await events.open(c.env.outgoing, c.req.header('last-event-id') ?? null, sees)
    return RESPONSE_ALREADY_SENT
  })

  return app
}
