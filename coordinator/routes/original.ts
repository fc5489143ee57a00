import { Hono } from 'hono'
import { parseWire } from '../../shared/parse-wire.ts'
import { createRequest, pollQuery } from '../../shared/wire.ts'
import { jobFor, typesFor } from '../access/ownership.ts'
import { hasEnded } from '../job/job.ts'
import type { Services } from '../services.ts'
import { sendSource } from './download.ts'
import { answer, bodyOf, bytesOf, callerGone, formOf, submissionOf, type Env } from './http.ts'

const RESULT_MIB = 64

/** The contract of the original system, which its clients and workers rely on; creation also takes an upload. */
export function originalRoutes({
  access,
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
    const isForm = c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data')
    if (isForm === true) {
      const { jobId, status, createdAt } = await intake.fromUpload(formOf(c), submissionOf(c))
      return answer(c, { jobId, status, createdAt })
    }
    const request = await bodyOf(c, createRequest)
    const { jobId, status, createdAt } = await intake.fromPath(request, submissionOf(c))
    return answer(c, { jobId, status, createdAt })
  })

  app.get('/remote-jobs/poll', async (c) => {
    // A list is one text with commas, or the key again and again, as many clients write it.
    const types = c.req.queries('content_types')?.join(',')
    const query = { ...c.req.query(), content_types: types }
    const { workerId, contentTypes: asked, maxJobs } = parseWire(pollQuery, query, 'query')
    // Nobody would see which job it got.
    if (c.req.method === 'HEAD') return c.body(null)
    const { principal } = c.var
    const contentTypes = typesFor(principal, asked)
    access.goBy(principal, workerId)
    workers.seen(workerId, { contentTypes })
    const signal = callerGone(c)
    const { tokenId } = principal
    const polled = await claims.claim(
      { workerId, tokenId, contentTypes, maxJobs, claimId: null, waitMs: 0, signal },
      async (claimed) => claimed.map((job) => views.polled(job)),
    )
    const first = polled[0] ?? {
      jobId: null,
      sourceFileUrl: null,
      contentType: null,
      taskOptions: null,
    }
    return answer(c, maxJobs > 1 ? { ...first, jobs: polled } : first)
  })

  app.get('/remote-jobs/:id/download', async (c) => {
    const { principal } = c.var
    const job = jobFor(principal, jobs, c.req.param('id'))
    const lease = c.req.header('morag-lease') ?? null
    const shown = { lease, query: c.req.query('token') ?? null }
    const attempt = await attempts.mayDownload(job, shown, principal)
    const onSent = async (): Promise<void> => await attempts.downloaded(job, attempt)
    return await sendSource(c, job, await files.sources.read(job), { onSent })
  })

  app.put('/remote-jobs/:id/result', async (c) => {
    const received = await files.transcripts.receive(await bytesOf(c, RESULT_MIB))
    const { principal } = c.var
    const { jobId } = jobFor(principal, jobs, c.req.param('id'))
    const job = await attempts.finish(jobId, received, principal)
    const ingestionContinued = hasEnded(job) && job.continuation !== null
    return answer(c, { status: job.status, ingestionContinued })
  })

  app.get('/remote-jobs/:id/status', (c) =>
    answer(c, views.status(jobFor(c.var.principal, jobs, c.req.param('id')))),
  )

  return app
}
