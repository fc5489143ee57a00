import { Hono } from 'hono'
import type { Services } from '../services.ts'
import type { Env } from './http.ts'

/** Numbers for a monitoring system; also outside the API's root, where Prometheus looks for them. */
export function metricsRoutes({ metrics }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  )

  return app
}
