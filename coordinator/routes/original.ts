import { Hono } from 'hono'
import { createRequest, pollQuery, resultRequest } from '../../shared/wire.ts'
import { hasEnded } from '../job.ts'
import type { Services } from '../services.ts'
import { sendSource } from './download.ts'
import { answer, bodyOf, callerGone, formOf, queryOf, type Env } from './http.ts'

const RESULT_MIB = 64

/** The contract of the original system, which its clients and workers rely on; creation also takes an upload. */
export function originalRoutes({
  attempts,
  claims,
  intake,
  jobs,
  files,
  views,
  workers,
}: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.post('/remote-jobs', async (c) => {
    const key = c.req.header('idempotency-key')?.trim() || null
    const isForm = c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data')
    if (isForm === true) {
      const { jobId, createdAt } = await intake.fromUpload(formOf(c), key)
      return answer(c, { jobId, status: 'pending', createdAt })
    }
    const { jobId, createdAt } = await intake.fromPath(await bodyOf(c, createRequest), key)
    return answer(c, { jobId, status: 'pending', createdAt })
  })

  app.get('/remote-jobs/poll', async (c) => {
    const { workerId, contentTypes, maxJobs } = queryOf(c, pollQuery)
    workers.seen(workerId, { contentTypes })
    const signal = callerGone(c)
    const claimed = await claims.claim({
      workerId,
      contentTypes,
      maxJobs,
      claimId: null,
      waitMs: 0,
      signal,
    })
    const polled = claimed.map((job) => views.polled(job))
    const first = polled[0] ?? {
      jobId: null,
      sourceFileUrl: null,
      contentType: null,
      taskOptions: null,
    }
    return answer(c, maxJobs > 1 ? { ...first, jobs: polled } : first)
  })

  app.get('/remote-jobs/:id/download', async (c) => {
    const job = jobs.get(c.req.param('id'))
    const lease = c.req.header('morag-lease') ?? null
    await attempts.mayDownload(job, lease, c.req.query('token') ?? null)
    return await sendSource(c, job, await files.sources.read(job))
  })

  app.put('/remote-jobs/:id/result', async (c) => {
    const request = await bodyOf(c, resultRequest, RESULT_MIB)
    const job = await attempts.finish(c.req.param('id'), request)
    const ingestionContinued = hasEnded(job) && job.continuation !== null
    return answer(c, { status: job.status, ingestionContinued })
  })

  app.get('/remote-jobs/:id/status', (c) => answer(c, views.status(jobs.get(c.req.param('id')))))

  return app
}
