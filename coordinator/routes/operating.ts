import { Hono, type Context } from 'hono'
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
  log,
  upkeep,
  views,
  workers,
}: Services): Hono<Env> {
  const app = new Hono<Env>()

  /** Who did what, once it is done. */
  const note = (c: Context<Env>, action: string, facts: object): void => {
    const { name: by, role } = c.var.principal
    log.info({ by, role, action, ...facts }, `${action} by ${by}`)
  }

  app.post('/remote-jobs/cleanup', async (c) => {
    const wanted = await optionalBodyOf(c, cleanupRequest)
    const done = await upkeep.cleanup(wanted)
    if (!wanted.dryRun) note(c, 'cleanup', done)
    return answer(c, done)
  })

  app.post('/remote-jobs/:id/cancel', async (c) => {
    const { jobId } = jobFor(c.var.principal, jobs, c.req.param('id'))
    const job = await jobs.apply(jobId, { type: 'cancel' })
    note(c, 'cancel', { job_id: jobId })
    return answer(c, views.status(job))
  })

  app.post('/remote-jobs/:id/retry', async (c) => {
    const job = await doAgain(c.req.param('id'), null)
    note(c, 'retry', { job_id: job.jobId })
    return answer(c, views.status(job))
  })

  app.post('/remote-jobs/:id/reassign', async (c) => {
    const { workerId = null } = await optionalBodyOf(c, reassignRequest)
    const job = await doAgain(c.req.param('id'), workerId)
    note(c, 'reassign', { job_id: job.jobId, worker_id: workerId })
    return answer(c, views.status(job))
  })

  app.post('/remote-jobs/:id/continuation/retry', async (c) => {
    const { steps = null } = await optionalBodyOf(c, continuationRetryRequest)
    const job = await continuations.retry(c.req.param('id'), steps)
    const { jobId, status } = job
    note(c, 'continuation retry', { job_id: jobId, steps })
    return answer(c, { jobId, status, continuation: shownContinuation(job) })
  })

  app.delete('/remote-jobs/:id', async (c) => {
    const jobId = c.req.param('id')
    const freedBytes = await upkeep.remove(jobId)
    note(c, 'delete', { job_id: jobId })
    return answer(c, { jobId, removed: true, freedBytes })
  })

  app.get('/workers', (c) => answer(c, { workers: views.workers() }))

  app.delete('/workers/:id', (c) => {
    const workerId = workerIn(c)
    workers.remove(workerId)
    note(c, 'remove worker', { worker_id: workerId })
    return answer(c, { workerId, removed: true })
  })

  app.post('/workers/:id/drain', (c) => {
    const worker = workers.direct(workerIn(c), 'drain')
    claims.dismiss(worker.workerId)
    note(c, 'drain', { worker_id: worker.workerId })
    return answer(c, views.worker(worker))
  })

  app.post('/workers/:id/resume', (c) => {
    const worker = workers.direct(workerIn(c), 'run')
    note(c, 'resume', { worker_id: worker.workerId })
    return answer(c, views.worker(worker))
  })

  /** The worker that a path names. @throws {AppError} `not_found`, `invalid`. */
  function workerIn(c: Context<Env>): string {
    return workers.known(parseWire(workerName, c.req.param('id'), 'path')).workerId
  }

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
