import { Hono } from 'hono'
import { jobFor } from '../access/ownership.ts'
import type { Services } from '../services.ts'
import { sendFile } from './download.ts'
import { answer, type Env } from './http.ts'

/** Files beside a result: a worker sends them, whoever reads the result may fetch them. */
export function artifactRoutes({ attempts, files, jobs }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { artifacts } = files

  app.get('/remote-jobs/:id/artifacts', async (c) => {
    const { jobId } = jobFor(c.var.principal, jobs, c.req.param('id'))
    return answer(c, { artifacts: await artifacts.list(jobId) })
  })

  app.put('/remote-jobs/:id/artifacts/:name', async (c) => {
    const { principal } = c.var
    const { id, name } = c.req.param()
    const { jobId } = jobFor(principal, jobs, id)
    const lease = c.req.header('morag-lease') ?? null
    const isAllowed = (): void => attempts.mayUpload(jobId, lease, principal)
    return answer(c, { name, ...(await artifacts.save(jobId, name, c.env.incoming, isAllowed)) })
  })

  app.get('/remote-jobs/:id/artifacts/:name', async (c) => {
    const { jobId } = jobFor(c.var.principal, jobs, c.req.param('id'))
    const { file, sizeBytes, contentType } = await artifacts.read(jobId, c.req.param('name'))
    return await sendFile(c, file, { start: 0, end: sizeBytes - 1 }, 200, {
      'content-type': contentType,
      'content-length': String(sizeBytes),
    })
  })

  return app
}
