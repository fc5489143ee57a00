import { Hono } from 'hono'
import { STATUSES } from '../../shared/wire.ts'
import { VERSION } from '../../shared/version.ts'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** Whether the coordinator works; open to everybody, so that a load balancer can ask. */
export function observeRoutes({ claims, jobs, store }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/health', (c) => {
    const { failure } = store
    return c.json(
      {
        status: failure === null ? 'ok' : 'failing',
        version: VERSION,
        detail: failure?.message ?? store.foldersBehind,
        jobs: Object.fromEntries(STATUSES.map((status) => [status, jobs.count(status)])),
        waiting_claims: claims.waiting,
        quarantined: store.quarantined.length,
      },
      failure === null ? 200 : 503,
    )
  })

  app.get('/ready', (c) => {
    const why = store.failure?.message ?? store.foldersBehind
    return why === null
      ? c.json({ status: 'ready' })
      : c.json({ status: 'not ready', detail: why }, 503)
  })

  return app
}
