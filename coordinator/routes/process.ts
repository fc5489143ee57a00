import { rm } from 'node:fs/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono, type Context } from 'hono'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { API } from '../../shared/wire.ts'
import type { ProcessAnswer, TaskAnswer } from '../../shared/wire-ingestion.ts'
import { declaredKind, kindOf } from '../ingestion/content-kind.ts'
import { formBody } from '../ingestion/form-body.ts'
import { peekForm } from '../ingestion/peek-form.ts'
import { asksForRemote, bad, ingestionOf, parseRequestData } from '../ingestion/process-request.ts'
import { MoragProxy } from '../ingestion/proxy.ts'
import { taskState, Tasks } from '../ingestion/tasks.ts'
import { hasEnded, type Job, type ResultBody } from '../job.ts'
import type { Services } from '../services.ts'
import { receiveForm, type UploadForm } from '../upload.ts'
import { answer, type Env } from './http.ts'

/** What is ours below the API's root: never the MoRAG server's to answer. */
const OURS = ['remote-jobs', 'workers', 'health', 'ready', 'events', 'metrics', 'openapi.json']

/**
 * The front of the ingestion: what asks for a remote worker becomes a job, and all else that is not ours is the MoRAG
 * server's, where there is one.
 */
export function processRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { config, files, intake, jobs, views } = services
  const { moragUrl, moragApiKey, remoteTypes } = config.ingestion
  const { apiKey, maxUploadBytes } = config
  const folder = files.sources.incoming
  const tasks = new Tasks(jobs)
  const proxy =
    moragUrl === null ? null : new MoragProxy({ moragUrl, moragApiKey, ownApiKey: apiKey })

  app.post('/process', async (c) => {
    const { incoming, outgoing } = c.env
    const isForm = c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data')
    if (isForm !== true) {
      if (proxy !== null) return await forward(c)
      throw bad("Send a multipart form with a 'file' and 'request_data'.")
    }
    const form = await peekForm(incoming, 'request_data', { folder, maxBytes: maxUploadBytes })
    try {
      const given = declaredKind(contentTypeIn(form.value))
      const isRemote = asksForRemote(form.value) && (given === null || remoteTypes.includes(given))
      if (!isRemote && proxy !== null) {
        await proxy.forward(incoming, outgoing, form.body)
        return RESPONSE_ALREADY_SENT
      }
      if (!isRemote) parseRequestData(form.value)
      if (!isRemote) throw nobody(given)
      const source = { headers: incoming.headers, body: form.body }
      return await makeJob(c, await receiveForm(source, folder, maxUploadBytes))
    } finally {
      await form.discard()
    }
  })

  app.get('/status/:task', async (c) => {
    const task = c.req.param('task')
    const job = tasks.find(task)
    if (job !== undefined) return answer(c, await taskAnswer(job))
    if (proxy !== null) return await forward(c)
    throw new AppError('not_found', `There is no task ${task.slice(0, 100)}.`)
  })

  if (proxy !== null) {
    app.all('/*', async (c, next) => {
      const first = c.req.path.slice(API.length + 1).split('/')[0] ?? ''
      return OURS.includes(first) ? await next() : await forward(c)
    })
  }

  async function forward(c: Context<Env>): Promise<Response> {
    await proxy!.forward(c.env.incoming, c.env.outgoing, null)
    return RESPONSE_ALREADY_SENT
  }

  async function makeJob(c: Context<Env>, { fields, upload }: UploadForm): Promise<Response> {
    try {
      const request = parseRequestData(fields['request_data'] ?? null)
      if (upload === null) throw bad("The form has no part named 'file'.")
      if (upload.sizeBytes === 0) throw bad(`The file ${upload.filename} is empty.`)
      const contentType =
        declaredKind(request.contentType) ?? (await kindOf(upload.file, upload.filename))
      if (!remoteTypes.includes(contentType)) {
        if (proxy === null) throw nobody(contentType)
        // Seen only now: the server gets what came, made anew.
        const form = await formBody(fields, {
          filename: upload.filename,
          mediaType: 'application/octet-stream',
          path: upload.file,
        })
        await proxy.forward(c.env.incoming, c.env.outgoing, form.body, form.headers)
        return RESPONSE_ALREADY_SENT
      }
      const key = c.req.header('idempotency-key')?.trim() || null
      const ingestion = ingestionOf(request)
      const { processingOptions: taskOptions, priority } = { ...request, ...ingestion }
      const job = await intake.adopt({ contentType, taskOptions, ingestion, priority }, upload, key)
      return answer(c, processAnswer(job))
    } catch (error) {
      // On this route the original answers 400 to what does not fit.
      if (error instanceof AppError && error.code === 'invalid') throw bad(error.message, error)
      throw error
    } finally {
      if (upload !== null) await rm(upload.file, { force: true })
    }
  }

  function processAnswer(job: Job): ProcessAnswer {
    const { estimatedCompletion } = views.status(job)
    const left = estimatedCompletion === null ? null : Date.parse(estimatedCompletion) - jobs.now()
    const taskId = job.ingestionTaskId
    return {
      success: true,
      mode: job.ingestion?.mode ?? 'ingest',
      content: null,
      metadata: { ...job.ingestion?.metadata, remote: true, remote_job_id: job.jobId },
      processingTimeMs: jobs.now() - job.createdAt,
      taskId,
      estimatedTimeSeconds: left === null ? null : Math.max(0, Math.round(left / SECOND)),
      statusUrl: `${API}/status/${encodeURIComponent(taskId)}`,
      documentId: job.ingestion?.documentId ?? null,
      errorMessage: null,
      warnings: [],
      thumbnails: null,
      message: `The ${job.contentType} file waits for a remote worker.`,
      jobId: job.jobId,
    }
  }

  async function taskAnswer(job: Job): Promise<TaskAnswer> {
    const status = views.detail(job)
    let result: ResultBody | null = null
    if (job.status === 'completed') result = await files.results.read(job.jobId, job.result)
    return {
      taskId: job.ingestionTaskId,
      status: taskState(job),
      progress: hasEnded(job) ? 1 : (status.progress ?? 0),
      message: status.errorMessage ?? status.stage ?? job.status,
      result,
      error: job.status === 'completed' ? null : status.errorMessage,
      createdAt: job.createdAt,
      startedAt: status.startedAt,
      completedAt: status.completedAt,
      estimatedCompletion: status.estimatedCompletion,
      jobId: job.jobId,
      jobStatus: job.status,
      continuation: status.continuation,
    }
  }

  return app
}

function contentTypeIn(text: string | null): string | null {
  try {
    const type = (JSON.parse(text ?? '') as { content_type?: unknown }).content_type
    return typeof type === 'string' ? type : null
  } catch {
    return null
  }
}

function nobody(contentType: string | null): AppError {
  const what = contentType === null ? 'this' : `'${contentType}'`
  const msg = `Nobody here processes ${what} without a remote worker: ask for one with metadata.remote (audio, video), or set a MoRAG server with --morag-url.`
  const problems = [{ loc: ['body', 'request_data'], msg, type: 'value_error' }]
  return new AppError('unsupported_media', msg, { problems })
}
