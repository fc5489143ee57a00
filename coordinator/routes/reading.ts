import { Hono } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { MEDIA_TYPES, type Form } from '../../shared/forms.ts'
import { listQuery } from '../../shared/wire.ts'
import { OpenCount } from '../access/open-count.ts'
import { jobFor, maySee } from '../access/ownership.ts'
import type { Principal } from '../access/principal.ts'
import { lastAttempt, type CompletedJob, type Job } from '../job/job.ts'
import type { OrderKey } from '../storage/order.ts'
import type { Services } from '../services.ts'
import { answer, callerGone, queryOf, type Env } from './http.ts'
import { sendFields, sendForm } from './send-transcript.ts'

/** Of the 64 large transcripts that may wait for being rendered together. */
const RENDERINGS_OF_TOKEN = 8

/** Looking at jobs and fetching transcripts. */
export function readingRoutes({ files, jobs, views }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const renderings = new OpenCount('transcripts being rendered', RENDERINGS_OF_TOKEN)

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
    const job = completed(c.var.principal, c.req.param('id'))
    return await sendFields(c, await files.transcripts.json(job), {
      before: `{"job_id":${JSON.stringify(job.jobId)},`,
      after: `,"processing_time":${JSON.stringify(job.result.processingSeconds)}}`,
    })
  })

  app.get('/remote-jobs/:id/:file{result\\.(md|json|srt|vtt|txt)}', async (c) => {
    const { principal } = c.var
    const job = completed(principal, c.req.param('id'))
    const form = c.req.param('file').slice('result.'.length) as Form
    const reader = { signal: callerGone(c), hold: () => renderings.hold(principal) }
    return await sendForm(c, await files.transcripts.form(job, form, reader), MEDIA_TYPES[form])
  })

  function completed(principal: Principal, id: string): CompletedJob {
    const job = jobFor(principal, jobs, id)
    if (job.status === 'completed') return job
    throw new AppError('conflict', `Job ${job.jobId} has no result: it is ${job.status}.`)
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
