import { Hono } from 'hono'
import { jobFor } from '../access/ownership.ts'
import { mediaTypeOf } from '../blobs/media-type.ts'
import type { Services } from '../services.ts'
import { sendSource } from './download.ts'
import type { Env } from './http.ts'

/** A recording as those who read its transcript hear it. Workers fetch it by `download`, with their lease. */
export function sourceRoutes({ files, jobs }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/remote-jobs/:id/source', async (c) => {
    const job = jobFor(c.var.principal, jobs, c.req.param('id'))
    const source = await files.sources.read(job)
    return await sendSource(c, job, source, { mediaType: await mediaTypeOf(source.file) })
  })

  return app
}
