import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { AppError, invalid } from '../../shared/errors.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { speakersRequest } from '../../shared/speaker-names.ts'
import {
  cleanupAnswer,
  removedAnswer,
  removedWorkerAnswer,
  speakersAnswer,
  workerAnswer,
  workersAnswer,
} from '../../shared/wire-answers.ts'
import { cleanupRequest, reassignRequest, statusAnswer, STATUSES } from '../../shared/wire.ts'
import { namedObject, workerName } from '../../shared/wire-fields.ts'
import { continuationAnswer, continuationRetryRequest } from '../../shared/wire-ingestion.ts'
import { by, checkSees, jobFor } from '../access/ownership.ts'
import { shownContinuation } from '../ingestion/ingestion-view.ts'
import { completed, type Job } from '../job/job.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { answer, bodyOf, type Env } from './http.ts'

/** What an operator does with jobs and workers. */
export function operatingRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { continuations, files, jobs, log, cleanup, views, workers } = services

  const audit = (c: Context<Env>, action: string, facts: object): void => {
    const { name: by, role } = c.var.principal
    log.info({ by, role, action, ...facts }, `${action} by ${by}`)
  }

  app.post(
    '/remote-jobs/cleanup',
    describeRoute({
      id: 'cleanup',
      tag: 'Operating',
      summary: 'Remove ended jobs; with `dry_run`, count them',
      body: { json: cleanupRequest, isOptional: true },
      answer: cleanupAnswer,
    }),
    async (c) => {
      const wanted = await bodyOf(c, cleanupRequest)
      const done = await cleanup.run(wanted)
      if (!wanted.dryRun) audit(c, 'cleanup', done)
      return answer(c, done)
    },
  )

  app.post(
    '/remote-jobs/:id/cancel',
    describeRoute({
      id: 'cancelJob',
      tag: 'Jobs',
      access: ['submit'],
      summary: 'Cancel a job',
      description: 'A worker that has it learns of it with its next heartbeat.',
      answer: statusAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const job = await jobs.apply(c.req.param('id'), by(c.var.principal, { type: 'cancel' }))
      audit(c, 'cancel', { job_id: job.jobId })
      return answer(c, await views.status(job))
    },
  )

  app.put(
    '/remote-jobs/:id/speakers',
    describeRoute({
      id: 'nameSpeakers',
      tag: 'Transcripts',
      access: ['submit'],
      summary: 'Name the speakers of a transcript',
      description:
        'Names by label, `{"Speaker_00": "Anna"}`, for every form of the transcript and for what is delivered from now on. Null or an empty text gives the label back; speakers left out keep their name.',
      body: { json: speakersRequest },
      answer: speakersAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const job = completed(await jobFor(c.var.principal, jobs, c.req.param('id')))
      const { jobId } = job
      const { speakerNames: given } = await bodyOf(c, speakersRequest)
      const labels = await files.transcripts.speakers(job)
      const unknown = Object.keys(given).find((label) => !labels.includes(label))
      if (unknown !== undefined) throw noSpeaker(unknown, labels)
      const { result } = await jobs.nameSpeakers(jobId, given, (one) =>
        checkSees(c.var.principal, one),
      )
      await files.transcripts.forget(job)
      audit(c, 'name speakers', { job_id: jobId })
      const names = labels.map((label) => [label, result.speakerNames?.[label] ?? null])
      return answer(c, { jobId, speakerNames: Object.fromEntries(names) })
    },
  )

  app.post(
    '/remote-jobs/:id/retry',
    describeRoute({
      id: 'retryJob',
      tag: 'Operating',
      summary: 'Queue a job again',
      answer: statusAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const job = await doAgain(c.req.param('id'), null)
      audit(c, 'retry', { job_id: job.jobId })
      return answer(c, await views.status(job))
    },
  )

  app.post(
    '/remote-jobs/:id/reassign',
    describeRoute({
      id: 'reassignJob',
      tag: 'Operating',
      summary: 'Take a job from its worker, and reserve it for another if one is named',
      body: { json: reassignRequest, isOptional: true },
      answer: statusAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const { workerId = null } = await bodyOf(c, reassignRequest)
      const job = await doAgain(c.req.param('id'), workerId)
      audit(c, 'reassign', { job_id: job.jobId, worker_id: workerId })
      return answer(c, await views.status(job))
    },
  )

  app.post(
    '/remote-jobs/:id/continuation/retry',
    describeRoute({
      id: 'retryContinuation',
      tag: 'Ingestion',
      summary: "Repeat steps that follow a job's end",
      description: 'Without `steps`, those that are not done.',
      body: { json: continuationRetryRequest, isOptional: true },
      answer: namedObject('ContinuationRetried', {
        job_id: z.string(),
        status: z.enum(STATUSES),
        continuation: continuationAnswer,
      }),
      errors: ['conflict'],
    }),
    async (c) => {
      const { steps = null } = await bodyOf(c, continuationRetryRequest)
      const job = await continuations.retry(c.req.param('id'), steps)
      const { jobId, status } = job
      audit(c, 'continuation retry', { job_id: jobId, steps })
      return answer(c, { jobId, status, continuation: shownContinuation(job) })
    },
  )

  app.delete(
    '/remote-jobs/:id',
    describeRoute({
      id: 'removeJob',
      tag: 'Operating',
      summary: 'Remove a job and its files for good',
      answer: removedAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const jobId = c.req.param('id')
      const freedBytes = await cleanup.remove(jobId)
      audit(c, 'delete', { job_id: jobId })
      return answer(c, { jobId, removed: true, freedBytes })
    },
  )

  app.get(
    '/workers',
    describeRoute({
      id: 'listWorkers',
      tag: 'Operating',
      access: ['read'],
      summary: 'List workers and their jobs',
      answer: workersAnswer,
    }),
    async (c) => {
      const body = `{"workers":${await views.allWorkers()}}`
      return c.body(body, 200, { 'content-type': 'application/json' })
    },
  )

  app.delete(
    '/workers/:id',
    describeRoute({
      id: 'removeWorker',
      tag: 'Operating',
      summary: 'Forget a worker until its next request',
      answer: removedWorkerAnswer,
    }),
    async (c) => {
      const workerId = workerIn(c)
      workers.remove(workerId)
      await workers.kept()
      audit(c, 'remove worker', { worker_id: workerId })
      return answer(c, { workerId, removed: true })
    },
  )

  app.post(
    '/workers/:id/drain',
    describeRoute({
      id: 'drainWorker',
      tag: 'Operating',
      summary: 'Give a worker no new jobs',
      answer: workerAnswer,
    }),
    async (c) => await direct(c, 'drain', 'drain'),
  )

  app.post(
    '/workers/:id/resume',
    describeRoute({
      id: 'resumeWorker',
      tag: 'Operating',
      summary: 'Give a drained worker jobs again',
      answer: workerAnswer,
    }),
    async (c) => await direct(c, 'run', 'resume'),
  )

  async function direct(
    c: Context<Env>,
    directive: 'run' | 'drain',
    action: string,
  ): Promise<Response> {
    const worker = workers.direct(workerIn(c), directive)
    await workers.kept()
    audit(c, action, { worker_id: worker.workerId })
    return answer(c, await views.worker(worker))
  }

  /** The worker that a path names. @throws {AppError} `not_found`, `invalid`. */
  function workerIn(c: Context<Env>): string {
    return workers.known(parseWire(workerName, c.req.param('id'), 'path')).workerId
  }

  /** @throws {AppError} `conflict`; `source_missing`, `source_changed` when there is nothing left to do it from. */
  async function doAgain(jobId: string, reserveFor: string | null): Promise<Job> {
    return await jobs.apply(jobId, { type: 'retry', reserveFor }, async (job) => {
      if (reserveFor !== null && job.ingestion?.local === true)
        throw new AppError(
          'conflict',
          `Job ${jobId} is for the coordinator itself, not for workers.`,
        )
      await (await files.sources.read(job)).file.close()
    })
  }

  return app
}

function noSpeaker(label: string, labels: readonly string[]): AppError {
  const known = labels.slice(0, 20).join(', ')
  const there = labels.length === 0 ? 'It names no speakers.' : `Its speakers: ${known}.`
  return invalid(`The transcript has no speaker '${label.slice(0, 100)}'. ${there}`, [
    'body',
    label,
  ])
}
