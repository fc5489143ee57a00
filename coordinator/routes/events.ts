import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { OpenCount } from '../access/open-count.ts'
import { maySee } from '../access/ownership.ts'
import type { Job } from '../job/job.ts'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** Of the 256 that may be open together. */
const STREAMS_OF_TOKEN = 32

/** What happens, as it happens. */
export function eventRoutes({ events }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const streams = new OpenCount('event streams', STREAMS_OF_TOKEN)

  app.get('/events', async (c) => {
    // An answer without a body would never end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
    const { principal } = c.var
    const sees = principal.role === 'submit' ? (job: Job) => maySee(principal, job) : null
    const { outgoing } = c.env
    const release = streams.hold(principal)
    outgoing.once('close', release)
    try {
      await events.open(outgoing, c.req.header('last-event-id') ?? null, sees)
    } catch (error) {
      release()
      throw error
    }
    return RESPONSE_ALREADY_SENT
  })

  return app
}
