import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { SECOND } from '../../shared/duration.ts'
import type { Access } from '../access/access.ts'
import { OpenCount } from '../access/open-count.ts'
import { maySee } from '../access/ownership.ts'
import type { Principal } from '../access/principal.ts'
import type { Job } from '../job.ts'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** Of the 256 that may be open together. */
const STREAMS_OF_TOKEN = 32
/** How soon a stream ends whose token has been revoked. */
const LOOK_MS = 5 * SECOND

/** What happens, as it happens. */
export function eventRoutes({ access, events }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const streams = new OpenCount('event streams', STREAMS_OF_TOKEN)

  app.get('/events', async (c) => {
    // An answer without a body would never end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
    const { principal } = c.var
    const sees = principal.role === 'submit' ? (job: Job) => maySee(principal, job) : null
    const { outgoing } = c.env
    const release = streams.hold(principal)
    const look = setInterval(() => {
      if (!isLetIn(access, principal)) outgoing.destroy()
    }, LOOK_MS).unref()
    const end = (): void => {
      clearInterval(look)
      release()
    }
    outgoing.once('close', end)
    try {
      await events.open(outgoing, c.req.header('last-event-id') ?? null, sees)
    } catch (error) {
      end()
      throw error
    }
    return RESPONSE_ALREADY_SENT
  })

  return app
}

/** While the tokens cannot be read, nobody is. */
function isLetIn(access: Access, principal: Principal): boolean {
  try {
    return access.isGood(principal)
  } catch {
    return false
  }
}
