import { Hono } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { cleanupRequest, reassignRequest } from '../../shared/wire.ts'
import { workerName } from '../../shared/wire-fields.ts'
import { continuationRetryRequest } from '../../shared/wire-ingestion.ts'
import { jobFor } from '../access/ownership.ts'
import { shownContinuation } from '../ingestion/ingestion-view.ts'
import type { Job } from '../job/job.ts'
import type { Services } from '../services.ts'
import { answer, optionalBodyOf, type Env } from './http.ts'

/** What an operator does with jobs and workers. */
export function operatingRoutes({
  claims,
  continuations,
  files,
  jobs,
  upkeep,
  views,
  workers,
}: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.post('/remote-jobs/cleanup', async (c) =>
    answer(c, await upkeep.cleanup(await optionalBodyOf(c, cleanupRequest))),
  )

  app.post('/remote-jobs/:id/cancel', async (c) => {
    const { jobId } = jobFor(c.var.principal, jobs, c.req.param('id'))
    return answer(c, views.status(await jobs.apply(jobId, { type: 'cancel' })))
  })

  app.post('/remote-jobs/:id/retry', async (c) =>
    answer(c, views.status(await doAgain(c.req.param('id'), null))),
  )

  app.post('/remote-jobs/:id/reassign', async (c) => {
    const { workerId } = await optionalBodyOf(c, reassignRequest)
    return answer(c, views.status(await doAgain(c.req.param('id'), workerId ?? null)))
  })

  app.post('/remote-jobs/:id/continuation/retry', async (c) => {
    const { steps } = await optionalBodyOf(c, continuationRetryRequest)
    const job = await continuations.retry(c.req.param('id'), steps ?? null)
    const { jobId, status } = job
    return answer(c, { jobId, status, continuation: shownContinuation(job) })
  })

  app.delete('/remote-jobs/:id', async (c) => {
    const jobId = c.req.param('id')
    return answer(c, { jobId, removed: true, freedBytes: await upkeep.remove(jobId) })
  })

  app.get('/workers', (c) => answer(c, { workers: views.workers() }))

  app.post('/workers/:id/drain', (c) => {
    const workerId = parseWire(workerName, c.req.param('id'), 'path')
    const worker = workers.direct(workerId, 'drain')
    claims.dismiss(workerId)
    return answer(c, views.worker(worker))
  })

  app.post('/workers/:id/resume', (c) =>
    answer(
      c,
      views.worker(workers.direct(parseWire(workerName, c.req.param('id'), 'path'), 'run')),
    ),
  )

  /** @throws {AppError} `conflict`; `source_missing`, `source_changed` when there is nothing left to do it from. */
  async function doAgain(jobId: string, reserveFor: string | null): Promise<Job> {
    return await jobs.apply(jobId, { type: 'retry', reserveFor }, async () => {
      const job = jobs.get(jobId)
      if (reserveFor !== null && job.ingestion?.local === true)
        throw new AppError(
          'conflict',
          `Job ${jobId} is for the coordinator itself, not for workers.`,
        )
      await files.sources.locate(job)
    })
  }

  return app
}
