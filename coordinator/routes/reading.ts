import { Hono } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { MEDIA_TYPES, renderForm, type Form } from '../../shared/forms.ts'
import { listQuery } from '../../shared/wire.ts'
import { jobFor, maySee } from '../access/ownership.ts'
import type { Principal } from '../access/principal.ts'
import { lastAttempt, type Job, type ResultBody } from '../job/job.ts'
import type { OrderKey } from '../storage/order.ts'
import type { Services } from '../services.ts'
import { answer, queryOf, type Env } from './http.ts'

/** Looking at jobs and fetching transcripts. */
export function readingRoutes({ files, jobs, views }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get('/remote-jobs', (c) => {
    const { status, contentType, workerId, text, limit, cursor } = queryOf(c, listQuery)
    const needle = text?.toLowerCase() ?? ''
    const fits = (job: Job): boolean =>
      maySee(c.var.principal, job) &&
      (status === undefined || job.status === status) &&
      (contentType === undefined || job.contentType === contentType) &&
      (workerId === undefined || lastAttempt(job)?.workerId === workerId) &&
      (needle === '' || wordsOf(job).includes(needle))
    const found: Job[] = []
    for (const job of jobs.newest(cursor === undefined ? undefined : keyOf(cursor))) {
      if (fits(job)) found.push(job)
      if (found.length > limit) break
    }
    const page = found.slice(0, limit)
    const last = found.length > limit ? page.at(-1) : undefined
    return answer(c, {
      jobs: page.map((job) => views.summary(job)),
      nextCursor: last === undefined ? null : cursorOf(last),
    })
  })

  app.get('/remote-jobs/:id', (c) =>
    answer(c, views.detail(jobFor(c.var.principal, jobs, c.req.param('id')))),
  )

  app.get('/remote-jobs/:id/result', async (c) => {
    const { jobId, body, processingSeconds } = await resultOf(c.var.principal, c.req.param('id'))
    return answer(c, { jobId, ...body, processingTime: processingSeconds })
  })

  app.get('/remote-jobs/:id/:file{result\\.(md|json|srt|vtt|txt)}', async (c) => {
    const { body } = await resultOf(c.var.principal, c.req.param('id'))
    const form = c.req.param('file').slice('result.'.length) as Form
    const type = `${MEDIA_TYPES[form]}; charset=utf-8`
    // A worker wrote it: no browser is to find markup in it.
    return c.body(renderForm(form, body), 200, {
      'content-type': type,
    })
  })

  async function resultOf(
    principal: Principal,
    id: string,
  ): Promise<{ jobId: string; body: ResultBody; processingSeconds: number | null }> {
    const job = jobFor(principal, jobs, id)
    if (job.status !== 'completed') {
      throw new AppError('conflict', `Job ${job.jobId} has no result: it is ${job.status}.`)
    }
    const body = await files.results.read(job.jobId, job.result)
    return { jobId: job.jobId, body, processingSeconds: job.result.processingSeconds }
  }

  return app
}

/** What a person looks a job up by. */
function wordsOf(job: Job): string {
  const error = 'error' in job ? job.error.message : (lastAttempt(job)?.errorMessage ?? '')
  return [job.source.filename, job.jobId, job.ingestionTaskId, error].join('\n').toLowerCase()
}

function cursorOf({ createdAt, jobId }: OrderKey): string {
  return Buffer.from(`${createdAt}:${jobId}`).toString('base64url')
}

function keyOf(cursor: string): OrderKey {
  const parts = /^(\d+):(.+)$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (parts === null) {
    const msg = 'That cursor is not one of ours: use next_cursor.'
    const problems = [{ loc: ['query', 'cursor'], msg, type: 'value_error' }]
    throw new AppError('invalid', msg, { problems })
  }
  return { createdAt: Number(parts[1]), jobId: parts[2]! }
}
