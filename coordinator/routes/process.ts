import { writeJson } from '../../shared/exact-json.ts'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono, type Context } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { printable } from '../../shared/printable.ts'
import { maySee } from '../access/ownership.ts'
import { ingestAnswer, processAnswer, taskAnswer } from '../ingestion/answers.ts'
import { declaredKind, kindOf } from '../ingestion/content-kind.ts'
import { requestDataIn } from '../ingestion/ingest-form.ts'
import { peekForm, type PeekedForm, type Seen } from '../ingestion/peek-form.ts'
import {
  asksForRemote,
  bad,
  contentTypeIn,
  ingestionOf,
  parseRequestData,
} from '../ingestion/process-request.ts'
import { MoragProxy } from '../ingestion/proxy.ts'
import { Tasks } from '../ingestion/tasks.ts'
import { checkWebhook } from '../ingestion/webhook-target.ts'
import { hasEnded, type Job } from '../job/job.ts'
import type { Services } from '../services.ts'
import type { FormFields } from '../blobs/form-fields.ts'
import { cleanName, receiveForm } from '../blobs/upload.ts'
import type { Views } from '../views.ts'
import { answer, submissionOf, type Env } from './http.ts'
import { isOurs } from './own-paths.ts'
import { sendFields } from './send-transcript.ts'

/** A way in which the original's clients hand in a file. */
interface Call {
  /** What its form has to have. */
  needs: string
  /** What its names stand in. */
  where: string
  /** What is asked for, as `request_data` of `POST /process`; null: that has not come. */
  requestDataIn: (fields: FormFields) => string | null
  answerOf: (job: Job, views: Views, now: number) => object
}

const PROCESS: Call = {
  needs: "a 'file' and 'request_data'",
  where: "The field 'request_data'",
  requestDataIn: (fields) => fields.get('request_data'),
  answerOf: processAnswer,
}
const INGEST_FILE: Call = {
  needs: "a 'file'",
  where: 'The form',
  requestDataIn,
  answerOf: ingestAnswer,
}

/**
 * The front of the ingestion: what asks for a remote worker becomes a job, and all else that is not ours is the MoRAG
 * server's, where there is one; where there is none, a job too, that is done here.
 */
export function processRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { config, files, guard, intake, jobs, log, processors, trustedProxies, views } = services
  const { moragUrl, moragApiKey, remoteTypes } = config.ingestion
  const { apiKey, maxUploadBytes } = config
  const folder = files.sources.incoming
  const tasks = new Tasks(jobs)
  const proxy =
    moragUrl === null
      ? null
      : new MoragProxy({ moragUrl, moragApiKey, ownApiKey: apiKey, trustedProxies })

  app.post('/process', async (c) => await take(c, PROCESS))
  app.post('/ingest/file', async (c) => await take(c, INGEST_FILE))

  async function take(c: Context<Env>, call: Call): Promise<Response> {
    const { incoming } = c.env
    const isForm = c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data')
    if (isForm !== true) {
      if (proxy !== null) return await forward(c, proxy)
      throw bad(`Send a multipart form with ${call.needs}.`)
    }
    const limits = { folder, maxBytes: maxUploadBytes }
    const form = await peekForm(incoming, (seen) => isDecided(seen, call), limits)
    try {
      const requestData = call.requestDataIn(form.fields)
      const isRemote = asksForRemote(requestData)
      const contentType = await contentTypeOf(requestData, form, isRemote || proxy === null)
      const isForWorkers = isRemote && (contentType === null || remoteTypes.includes(contentType))
      if (!isForWorkers && proxy !== null) return await forward(c, proxy, form)
      const job = await makeJob(c, form, call, { contentType, isLocal: !isForWorkers })
      return answer(c, call.answerOf(job, views, jobs.now()))
    } catch (error) {
      // On this route the original answers 400 to what does not fit.
      if (error instanceof AppError && error.code === 'invalid') throw bad(error.message, error)
      throw error
    } finally {
      await form.discard()
    }
  }

  app.get('/status/:task', async (c) => {
    const task = c.req.param('task')
    const [job] = tasks.find(task, (one) => maySee(c.var.principal, one))
    if (job !== undefined) {
      if (job.status !== 'completed') return answer(c, taskAnswer(job, views, null))
      const place = randomUUID()
      const text = writeJson(toWire(taskAnswer(job, views, place)))
      const [before, after] = text.split(JSON.stringify(place))
      const around = { before: `${before}{`, after: `}${after}` }
      return await sendFields(c, await files.transcripts.json(job), around)
    }
    if (proxy !== null) return await forward(c, proxy)
    throw noTask(task)
  })

  app.delete('/ingest/:task', async (c) => {
    const taskId = c.req.param('task')
    const { name: by, role } = c.var.principal
    const [job, ...older] = tasks.find(taskId, (one) => maySee(c.var.principal, one))
    if (job === undefined) {
      if (proxy !== null) return await forward(c, proxy)
      throw noTask(taskId)
    }
    for (const { jobId } of [job, ...older.filter((one) => !hasEnded(one))]) {
      await jobs.apply(jobId, { type: 'cancel' })
      log.info({ by, role, action: 'cancel', job_id: jobId }, `cancel by ${by}`)
    }
    const message = `Task ${taskId} is cancelled.`
    return answer(c, { taskId, status: 'cancelled', message, jobId: job.jobId })
  })

  if (proxy !== null) {
    app.all('/*', async (c, next) => (isOurs(c.req.path) ? await next() : await forward(c, proxy)))
  }

  /** Whether it can be told what becomes of a form: of a file whose type is not said, the first bytes are needed. */
  function isDecided({ fields, file }: Seen, call: Call): boolean {
    const requestData = call.requestDataIn(fields)
    if (requestData === null) return false
    const isRemote = asksForRemote(requestData)
    const declared = declaredKind(contentTypeIn(requestData))
    const isOfWorkers = declared !== null && remoteTypes.includes(declared)
    const isForWorkers = isRemote && isOfWorkers
    // A field that says more may still come, also behind the file.
    const isAsked = ['request_data', 'remote'].some((name) => fields.get(name) !== null)
    if (!isAsked && !isForWorkers && (declared === null || isOfWorkers)) return false
    const isSaid = proxy === null ? isForWorkers : !isRemote || declared !== null
    return isSaid || file?.isRead === true
  }

  /** @param contentType null: the form has no file, which is said here. @param isLocal whether it is to be done here. */
  async function makeJob(
    c: Context<Env>,
    form: PeekedForm,
    { requestDataIn, where }: Call,
    { contentType, isLocal }: { contentType: string | null; isLocal: boolean },
  ): Promise<Job> {
    // What does not fit is told before a file of gigabytes has come.
    const request = parseRequestData(requestDataIn(form.fields), where)
    const ingestion = ingestionOf(request, isLocal)
    const { processingOptions: taskOptions } = request
    if (ingestion.webhook !== null) checkWebhook(ingestion.webhook, guard)
    if (isLocal && form.file !== null) {
      const filename = cleanName(form.file.filename, c.req.header('user-agent'))
      const wanted = { contentType: contentType ?? 'document', ingestion, taskOptions }
      if (!processors.has({ ...wanted, source: { filename } }))
        throw nobody(contentType, remoteTypes)
    }
    const source = { headers: c.env.incoming.headers, body: form.body }
    const { fields, upload } = await receiveForm(source, folder, maxUploadBytes)
    try {
      if (upload === null || contentType === null) throw bad("The form has no part named 'file'.")
      if (upload.sizeBytes === 0) throw bad(`The file ${upload.filename} is empty.`)
      // A field may stand behind the file.
      const whole = parseRequestData(requestDataIn(fields), where)
      const { processingOptions, priority } = whole
      const asked = { taskOptions: processingOptions, ingestion: ingestionOf(whole, isLocal) }
      const wanted = { contentType, priority, ...asked }
      return await intake.adopt(wanted, upload, submissionOf(c))
    } finally {
      if (upload !== null) await rm(upload.file, { force: true })
    }
  }

  return app
}

/** What its client says, or what its file is; null: unknown, and nobody needs to know. */
async function contentTypeOf(
  requestData: string | null,
  { file }: Seen,
  isToBeRecognised: boolean,
): Promise<string | null> {
  const declared = declaredKind(contentTypeIn(requestData))
  if (declared !== null || !isToBeRecognised || file === null) return declared
  return await kindOf(file.head, cleanName(file.filename))
}

async function forward(c: Context<Env>, proxy: MoragProxy, form?: PeekedForm): Promise<Response> {
  await proxy.forward(c.env.incoming, c.env.outgoing, form?.body)
  return RESPONSE_ALREADY_SENT
}

function noTask(taskId: string): AppError {
  return new AppError('not_found', `There is no task ${taskId.slice(0, 100)}.`)
}

function nobody(contentType: string | null, remoteTypes: readonly string[]): AppError {
  const isForWorkers = contentType === null || remoteTypes.includes(contentType)
  const remote = isForWorkers
    ? `ask for a remote worker with metadata.remote (${remoteTypes.join(', ')})`
    : `remote workers take ${remoteTypes.join(', ')} (--remote-types)`
  const what = contentType === null ? 'this' : `'${printable(contentType, { most: 100 })}'`
  const msg = `No processor is configured for ${what}: ${remote}, or set --local-processor or a MoRAG server with --morag-url.`
  const problems = [{ loc: ['body', 'request_data'], msg, type: 'value_error' }]
  return new AppError('unsupported_media', msg, { problems })
}
