import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { OpenCount } from '../access/open-count.ts'
import { ownerOf } from '../access/ownership.ts'
import {
  jobEvent,
  queueEvent,
  snapshotEvent,
  textEvent,
  workerEvent,
} from '../../shared/wire-events.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import type { Env } from './http.ts'

/** Of the 256 that may be open together. */
const STREAMS_OF_TOKEN = 32

export function eventRoutes({ events }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const streams = new OpenCount('event streams', STREAMS_OF_TOKEN)

  app.get(
    '/events',
    describeRoute({
      id: 'events',
      tag: 'Observing',
      access: ['submit', 'read'],
      summary: 'The current state, then each change, as server-sent events',
      description:
        'First a `snapshot`. Each `job`, `worker` and `queue` event after it is the whole object as it is by then; `text` brings what is new of the transcripts of running jobs. A submitter gets its own jobs alone.',
      headers: {
        'Last-Event-ID': { description: 'The last event received: missed events come first.' },
      },
      answer: ['text/event-stream'],
      events: {
        snapshot: snapshotEvent,
        job: jobEvent,
        worker: workerEvent,
        queue: queueEvent,
        text: textEvent,
      },
    }),
    async (c) => {
      // An answer without a body would never end.
      if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
      const { principal } = c.var
      const { outgoing } = c.env
      const release = streams.hold(principal)
      outgoing.once('close', release)
      try {
        await events.open(outgoing, c.req.header('last-event-id') ?? null, ownerOf(principal))
      } catch (error) {
        release()
        throw error
      }
      return RESPONSE_ALREADY_SENT
    },
  )

  return app
}
