import { writeJson } from '../../shared/exact-json.ts'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { AppError, invalid } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { printable } from '../../shared/printable.ts'
import * as wire from '../../shared/wire-ingestion.ts'
import { by, maySee } from '../access/ownership.ts'
import { ingestAnswer, processAnswer, taskAnswer } from '../ingestion/answers.ts'
import { declaredKind, kindOf } from '../ingestion/content-kind.ts'
import type { FetchedFile } from '../ingestion/fetched-source.ts'
import { requestDataIn } from '../ingestion/ingest-form.ts'
import { peekForm, type FormHead, type PeekedForm } from '../ingestion/peek-form.ts'
import {
  asksForRemote,
  bad,
  contentTypeIn,
  ingestionOf,
  parseRequestData,
} from '../ingestion/process-request.ts'
import { MoragProxy } from '../ingestion/proxy.ts'
import { checkWebhook } from '../ingestion/webhook-target.ts'
import { hasEnded, type Job } from '../job/job.ts'
import { allowRoute, describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { cleanName, receiveForm, type FormFields } from '../blobs/upload.ts'
import type { Views } from '../views.ts'
import {
  answer,
  callerGone,
  FILE_PART,
  IDEMPOTENCY_HEADER,
  isForm,
  submissionOf,
  type Env,
} from './http.ts'
import type { OwnPaths } from './own-paths.ts'
import { sendFields, transcriptReaders } from './send-transcript.ts'

/** A route by which the original's clients submit a file. */
interface Call {
  /** The parts that its form needs, for a message. */
  needs: string
  /** Where its fields are, for a message. */
  where: string
  /** The request as `request_data` of `POST /process`; null: not received yet. */
  requestDataIn: (fields: FormFields) => string | null
  answerOf: (job: Job, views: Views, now: number) => Promise<object>
}

const PROCESS: Call = {
  needs: "a 'file', or a source_url, and 'request_data'",
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

const JSON_PART = { type: 'string', contentMediaType: 'application/json' }
const FORM_ERRORS = [
  'conflict',
  'quota_exceeded',
  'unsupported_media',
  'no_space',
  'bad_gateway',
] as const

/**
 * The front of the ingestion: a request for a remote worker becomes a job; everything else that is not the coordinator's
 * goes to the MoRAG server, or, without one, becomes a job that the coordinator does itself.
 */
export function processRoutes(services: Services, ownPaths: OwnPaths): Hono<Env> {
  const app = new Hono<Env>()
  const { config, files, guard, intake, jobs, log, processors, trustedProxies, views } = services
  const { moragUrl, moragApiKey, remoteTypes } = config.ingestion
  const { apiKey, maxUploadBytes } = config
  const folder = files.sources.incoming
  const readerOf = transcriptReaders()
  const proxy =
    moragUrl === null
      ? null
      : new MoragProxy({ moragUrl, moragApiKey, ownApiKey: apiKey, trustedProxies })

  app.post(
    '/process',
    describeRoute({
      id: 'process',
      tag: 'Ingestion',
      access: ['submit'],
      isShared: true,
      summary: "The original's ingestion call",
      description:
        'With `metadata.remote: true` it becomes a job; what is not for remote workers goes to the MoRAG server unchanged. A `source_url` in `request_data` replaces the file.',
      headers: IDEMPOTENCY_HEADER,
      body: {
        form: {
          type: 'object',
          properties: {
            file: FILE_PART,
            request_data: { ...JSON_PART, contentSchema: wire.processRequest },
          },
          required: ['request_data'],
        },
      },
      answer: wire.processAnswer,
      errors: FORM_ERRORS,
    }),
    async (c) => await take(c, PROCESS),
  )
  app.post(
    '/ingest/file',
    describeRoute({
      id: 'ingestFile',
      tag: 'Ingestion',
      access: ['submit'],
      isShared: true,
      summary: "The original's older ingestion call",
      description:
        'The same as form fields: with `remote` true it becomes a job. `source_type` is the content type. Other fields are options of the ingestion.',
      headers: IDEMPOTENCY_HEADER,
      body: {
        form: {
          type: 'object',
          properties: {
            file: FILE_PART,
            remote: { type: 'boolean' },
            source_type: { type: 'string' },
            document_id: { type: 'string' },
            webhook_url: { type: 'string' },
            metadata: JSON_PART,
            replace_existing: { type: 'boolean' },
            chunk_size: { type: 'integer' },
            chunk_overlap: { type: 'integer' },
            chunking_strategy: { type: 'string' },
            language: { type: 'string' },
            'databases[]': { type: 'array', items: { type: 'string' } },
            request_data: { ...JSON_PART, description: 'The same names as JSON; they win.' },
          },
          required: ['file'],
        },
      },
      answer: wire.ingestAnswer,
      errors: FORM_ERRORS,
    }),
    async (c) => await take(c, INGEST_FILE),
  )

  async function take(c: Context<Env>, call: Call): Promise<Response> {
    if (!isForm(c) && !isUrlencoded(c)) {
      if (proxy !== null) return await forward(c, proxy)
      throw bad(`Send a multipart form with ${call.needs}.`)
    }
    const limits = { folder, maxBytes: maxUploadBytes }
    const form = await peekForm(c.env.incoming, (head) => isDecided(head, call), limits)
    try {
      const requestData = call.requestDataIn(form.fields)
      const isRemote = asksForRemote(requestData)
      const contentType = await contentTypeOf(requestData, form, isRemote || proxy === null)
      const isForWorkers = isRemote && (contentType === null || remoteTypes.includes(contentType))
      if (!isForWorkers && proxy !== null) return await forward(c, proxy, form)
      const job = await makeJob(c, form, call, { contentType, isLocal: !isForWorkers })
      return answer(c, await call.answerOf(job, views, jobs.now()))
    } catch (error) {
      // The original answers 400 on this route.
      if (error instanceof AppError && error.code === 'invalid') throw bad(error.message, error)
      throw error
    } finally {
      await form.discard()
    }
  }

  app.get(
    '/status/:task',
    describeRoute({
      id: 'getTask',
      tag: 'Ingestion',
      access: ['submit', 'read'],
      isShared: true,
      summary: "Status and progress of a task, in the original's words",
      answer: wire.taskAnswer,
      errors: ['bad_gateway'],
    }),
    async (c) => {
      const task = c.req.param('task')
      const [job] = await seenOf(task, c)
      if (job !== undefined) {
        if (job.status !== 'completed') return answer(c, await taskAnswer(job, views, null))
        const place = randomUUID()
        const text = writeJson(toWire(await taskAnswer(job, views, place)))
        const [before, after] = text.split(JSON.stringify(place))
        const around = { before: `${before}{`, after: `}${after}` }
        return await sendFields(c, await files.transcripts.json(job, readerOf(c)), around)
      }
      if (proxy !== null) return await forward(c, proxy)
      throw noTask(task)
    },
  )

  app.delete(
    '/ingest/:task',
    describeRoute({
      id: 'cancelTask',
      tag: 'Ingestion',
      access: ['submit'],
      isShared: true,
      summary: 'Cancel a task',
      description: 'Cancels all its jobs that have not completed.',
      answer: wire.taskCancelledAnswer,
      errors: ['conflict', 'bad_gateway'],
    }),
    async (c) => {
      const taskId = c.req.param('task')
      const { principal } = c.var
      const { name, role } = principal
      const [job, ...older] = await seenOf(taskId, c)
      if (job === undefined) {
        if (proxy !== null) return await forward(c, proxy)
        throw noTask(taskId)
      }
      for (const { jobId } of [job, ...older.filter((one) => !hasEnded(one))]) {
        await jobs.apply(jobId, by(principal, { type: 'cancel' }))
        log.info({ by: name, role, action: 'cancel', job_id: jobId }, `cancel by ${name}`)
      }
      const message = `Task ${taskId} is cancelled.`
      return answer(c, { taskId, status: 'cancelled', message, jobId: job.jobId })
    },
  )

  if (proxy !== null) {
    const forwardOthers: MiddlewareHandler<Env> = async (c, next) =>
      ownPaths.has(c.req.path) ? await next() : await forward(c, proxy)
    app.get('/*', allowRoute(['submit', 'read']), forwardOthers)
    app.all('/*', allowRoute(['submit']), forwardOthers)
  }

  async function seenOf(taskId: string, c: Context<Env>): Promise<Job[]> {
    return (await jobs.reader.ofTask(taskId)).filter((job) => maySee(c.var.principal, job))
  }

  /** Whether the form's destination is known: a file of no declared type needs its first bytes. */
  function isDecided({ fields, file }: FormHead, call: Call): boolean {
    const requestData = call.requestDataIn(fields)
    if (requestData === null) return false
    const isRemote = asksForRemote(requestData)
    const declared = declaredKind(contentTypeIn(requestData))
    const isOfWorkers = declared !== null && remoteTypes.includes(declared)
    const isForWorkers = isRemote && isOfWorkers
    // A field that changes this may still come, also after the file.
    const isAsked = ['request_data', 'remote'].some((name) => fields.get(name) !== null)
    if (!isAsked && !isForWorkers && (declared === null || isOfWorkers)) return false
    const isSaid = proxy === null ? isForWorkers : !isRemote || declared !== null
    return isSaid || file?.isHeadComplete === true
  }

  /** @param contentType null: the form has no file, which is refused here. @param isLocal done by the coordinator. */
  async function makeJob(
    c: Context<Env>,
    form: PeekedForm,
    { requestDataIn, where }: Call,
    { contentType, isLocal }: { contentType: string | null; isLocal: boolean },
  ): Promise<Job> {
    // Refused before a file of gigabytes is received.
    const request = parseRequestData(requestDataIn(form.fields), where)
    const ingestion = ingestionOf(request, isLocal)
    await intake.checkQuota(submissionOf(c))
    const { processingOptions: taskOptions } = request
    if (ingestion.webhook !== null) checkWebhook(ingestion.webhook, guard)
    const { sourceUrl = null, priority } = request
    if (sourceUrl !== null) {
      if (form.file !== null) throw bad("Send a 'file' or a source_url, not both.")
      const check = (source: FetchedFile): void => {
        const { contentType: found } = source
        const isDone = isLocal
          ? processors.has({ contentType: found, ingestion, taskOptions, source })
          : remoteTypes.includes(found)
        if (!isDone) throw noProcessor(found, remoteTypes)
      }
      const wanted = { sourceUrl, contentType, ingestion, taskOptions, priority }
      const fetching = { check, isKept: isLocal, signal: callerGone(c) }
      return await intake.fromUrl(wanted, submissionOf(c), fetching)
    }
    if (isLocal && form.file !== null) {
      const filename = cleanName(form.file.filename, c.req.header('user-agent'))
      const wanted = { contentType: contentType ?? 'document', ingestion, taskOptions }
      if (!processors.has({ ...wanted, source: { filename } }))
        throw noProcessor(contentType, remoteTypes)
    }
    const source = { headers: c.env.incoming.headers, body: form.body }
    const { fields, upload } = await receiveForm(source, folder, maxUploadBytes)
    try {
      if (upload === null || contentType === null) throw bad("The form has no part named 'file'.")
      if (upload.sizeBytes === 0) throw bad(`The file ${upload.filename} is empty.`)
      // Fields may follow the file.
      const whole = parseRequestData(requestDataIn(fields), where)
      const { processingOptions } = whole
      const asked = { taskOptions: processingOptions, ingestion: ingestionOf(whole, isLocal) }
      const wanted = { contentType, priority: whole.priority, ...asked }
      return await intake.adopt(wanted, upload, submissionOf(c))
    } finally {
      if (upload !== null) await rm(upload.file, { force: true })
    }
  }

  return app
}

/** As the client declares it, else by the file's first bytes; null: unknown and not needed. */
async function contentTypeOf(
  requestData: string | null,
  { file }: FormHead,
  isDetected: boolean,
): Promise<string | null> {
  const declared = declaredKind(contentTypeIn(requestData))
  if (declared !== null || !isDetected || file === null) return declared
  return await kindOf(file.head, cleanName(file.filename))
}

/** So do clients send a form without a file. */
function isUrlencoded(c: Context<Env>): boolean {
  const type = c.req.header('content-type')?.toLowerCase() ?? ''
  return type.startsWith('application/x-www-form-urlencoded')
}

async function forward(c: Context<Env>, proxy: MoragProxy, form?: PeekedForm): Promise<Response> {
  await proxy.forward(c.env.incoming, c.env.outgoing, form?.body)
  return RESPONSE_ALREADY_SENT
}

function noTask(taskId: string): AppError {
  return new AppError('not_found', `There is no task ${taskId.slice(0, 100)}.`)
}

function noProcessor(contentType: string | null, remoteTypes: readonly string[]): AppError {
  const isForWorkers = contentType === null || remoteTypes.includes(contentType)
  const remote = isForWorkers
    ? `ask for a remote worker with metadata.remote (${remoteTypes.join(', ')})`
    : `remote workers take ${remoteTypes.join(', ')} (--remote-types)`
  const what = contentType === null ? 'this' : `'${printable(contentType, { most: 100 })}'`
  const msg = `No processor is configured for ${what}: ${remote}, or set --local-processor or a MoRAG server with --morag-url.`
  return invalid(msg, ['body', 'request_data'], 'unsupported_media')
}
