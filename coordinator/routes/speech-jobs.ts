import { open, rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { AppError, invalid } from '../../shared/errors.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { MEDIA_TYPES, renderOptionsOf } from '../../shared/forms.ts'
import { printable } from '../../shared/printable.ts'
import { API } from '../../shared/wire.ts'
import { OpenCount } from '../access/open-count.ts'
import type { Services } from '../assemble.ts'
import { mediaTypeOf } from '../blobs/media-type.ts'
import type { OpenFile } from '../blobs/renditions.ts'
import { cleanName, receiveForm, type FilePart } from '../blobs/upload.ts'
import { hasEnded, type Job } from '../job/job.ts'
import { meets, requirementsOf } from '../job/requirements.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { aliasesOf, type Fleet } from '../speech/fleet.ts'
import { delta, event, isShared, spaced, textOf, type AnswerForm } from '../speech/forms.ts'
import type { Given, SpeechRequest } from '../speech/parameters.ts'
import { callerGone, formOf, isForm, submissionOf, type Env } from './http.ts'
import { sendWaiting } from './waiting-answer.ts'

/** Requests of one token that may wait for a transcript. */
const WAITING_OF_TOKEN = 512
const MAX_WARNING = 1_000
const STREAM = 'text/event-stream'

/** What one API does in its own way. */
export interface SpeechApi {
  /** The name of the file's part; `convert` is made for each request. */
  part: (c: Context<Env>) => FilePart
  /** @throws {AppError} `invalid`, `not_found` */
  read: (given: Given, fleet: Fleet) => SpeechRequest
  /** The body of an answer that fails after it has begun. */
  errorOf: (error: AppError) => object
}

/** Makes jobs of requests of other programs' APIs, and answers them with the transcript. */
export class SpeechJobs {
  readonly #services: Services
  readonly #fillMs: number
  readonly #aliases: ReadonlyMap<string, string | null>
  readonly #open = new OpenCount('requests that wait for a transcript', WAITING_OF_TOKEN)
  /** One of a token at a time: the thread renders one by one, and its queue is short. */
  readonly #renderings = new KeyedMutex()

  /** @param fillMs how long an answer may be without a byte, where its form allows to send some. */
  constructor(services: Services, fillMs: number) {
    this.#services = services
    this.#fillMs = fillMs
    this.#aliases = aliasesOf(services.config.speech.modelAliases)
  }

  /** What the connected agents can do. */
  fleet(): Fleet {
    const abilities = this.#services.workers.abilitiesFor('audio')
    const known = abilities.flatMap(({ can }) => can ?? [])
    return {
      isKnown: known.length > 0,
      models: new Set(known.flatMap(({ models }) => models)),
      serves: (taskOptions) => {
        const requirements = requirementsOf({ taskOptions })
        return abilities.some((ability) => meets(ability, requirements))
      },
      aliases: this.#aliases,
    }
  }

  /**
   * Makes a job of a request's file, and answers with its transcript, or at once with the job's address where the client
   * prefers that.
   * @throws {AppError} as `receiveForm` and `Intake.adopt`; the job's own while nothing was sent.
   */
  async answer(c: Context<Env>, api: SpeechApi): Promise<Response> {
    const release = this.#open.hold(c.var.principal)
    try {
      return await this.#answer(c, api)
    } finally {
      release()
    }
  }

  async #answer(c: Context<Env>, api: SpeechApi): Promise<Response> {
    const { outgoing } = c.env
    const gone = callerGone(c)
    const { job, request } = await this.#submit(c, api)
    const { jobId } = job
    outgoing.setHeader('morag-job', jobId)
    if (request.warnings.length > 0)
      outgoing.setHeader('morag-warning', headerOf(request.warnings.join(' ')))
    if (/\brespond-async\b/i.test(c.req.header('prefer') ?? ''))
      return accepted(c, job, request.form)
    const { form } = request
    const isStream = form.endsWith('stream')
    const isJson = form.endsWith('json') || form === 'asr:language'
    const filler = isStream ? ': waiting\n\n' : isJson ? ' ' : null
    try {
      return await sendWaiting(c, {
        mediaType: isStream ? STREAM : answerTypeOf(form),
        isStream,
        filler: filler === null ? null : { text: filler, everyMs: this.#fillMs },
        make: async (write) => {
          const after = isStream ? await this.#sendDeltas(jobId, gone, write) : 0
          return await this.#result(c, jobId, request, after, gone)
        },
        failure: (error) => {
          const body = api.errorOf(error)
          return isStream ? event(body) : JSON.stringify(body)
        },
      })
    } catch (error) {
      if (!gone.aborted) throw error
      await this.#abandon(c, jobId)
      return RESPONSE_ALREADY_SENT
    }
  }

  async #submit(
    c: Context<Env>,
    { part: partOf, read }: SpeechApi,
  ): Promise<{ job: Job; request: SpeechRequest }> {
    const { config, files, intake } = this.#services
    const part = partOf(c)
    const { name } = part
    if (!isForm(c))
      throw new AppError('bad_request', `Send a multipart form with a part '${name}'.`)
    const query = Object.entries(c.req.queries())
    // Refused before a file of gigabytes is received.
    read({ query, form: [] }, this.fleet())
    await intake.checkQuota(submissionOf(c))
    const { incoming } = files.sources
    const { fields, upload } = await receiveForm(formOf(c), incoming, config.maxUploadBytes, part)
    try {
      const request = read({ query, form: fields.entries() }, this.fleet())
      if (upload === null) throw invalid(`The form has no part named '${name}'.`, ['body', name])
      if (upload.sizeBytes === 0) throw invalid('The file is empty.', ['body', name])
      const { taskOptions, filename } = request
      const named = filename === undefined ? upload : { ...upload, filename: cleanName(filename) }
      const wanted = { contentType: await kindOf(upload.file), taskOptions, priority: 0 }
      const job = await intake.adopt(wanted, named, submissionOf(c))
      // Fewer agents now may require less.
      const { requires: _, ...asked } = taskOptions
      const { requires: __, ...had } = job.taskOptions
      if (!isDeepStrictEqual(asked, had))
        throw new AppError('conflict', 'That Idempotency-Key was used with other parameters.')
      return { job, request }
    } finally {
      if (upload !== null) await rm(upload.file, { force: true })
    }
  }

  async #result(
    c: Context<Env>,
    jobId: string,
    { form, taskOptions: { task } }: SpeechRequest,
    after: number,
    gone: AbortSignal,
  ): Promise<string | OpenFile> {
    const { files, jobs, jobWatch } = this.#services
    try {
      const completed = await jobWatch.result(jobId, gone)
      const options = {
        ...renderOptionsOf(completed.taskOptions),
        after,
        ...(task === 'translate' && { task }),
      }
      const holder = c.var.principal.tokenId ?? ''
      const reader = { signal: gone, hold: async () => await this.#renderings.turn(holder) }
      return await files.transcripts.form(completed, form, reader, options)
    } catch (error) {
      // OpenAI's clients would send the file again: the job is done, or has had its retries.
      const isFinal = error instanceof AppError && error.code !== 'unavailable'
      const isDone = (await jobs.find(jobId))?.status === 'completed'
      if ((isFinal || isDone) && !c.env.outgoing.headersSent)
        c.env.outgoing.setHeader('x-should-retry', 'false')
      throw error
    }
  }

  /** Sends the text of the job's checkpoints until it ends. @returns up to where, in seconds. */
  async #sendDeltas(
    jobId: string,
    gone: AbortSignal,
    write: (text: string) => void,
  ): Promise<number> {
    const { files, jobWatch } = this.#services
    let [after, last] = [0, '']
    for await (const job of jobWatch.looks(jobId, gone)) {
      if (job.status === 'completed') break
      const { segments, recognisedUntil } = (await files.checkpoints.partialText(job)) ?? {
        segments: [],
        recognisedUntil: 0,
      }
      // The last sentence may go on; after it, another channel's may be missing.
      const until = segments.findLast(({ start }) => start < recognisedUntil)?.start ?? 0
      const text = textOf(segments.filter(({ start }) => start >= after && start < until))
      if (text !== '') {
        write(event(delta(spaced(last, text))))
        last = text
      }
      after = Math.max(after, until)
    }
    return after
  }

  /** The client has left. With an `Idempotency-Key` it may return for the job. */
  async #abandon(c: Context<Env>, jobId: string): Promise<void> {
    const { config, jobs, log } = this.#services
    const job = await jobs.find(jobId)
    if (config.speech.keepAbandoned || submissionOf(c).idempotencyKey !== null) return
    if (job === undefined || hasEnded(job)) return
    const { name: by, role } = c.var.principal
    await jobs.apply(jobId, { type: 'cancel' })
    log.info({ by, role, action: 'cancel', job_id: jobId }, 'cancel: its client has left')
  }
}

/** By its bytes; what is neither is the agent's to refuse. */
async function kindOf(file: string): Promise<'audio' | 'video'> {
  const handle = await open(file)
  const type = await mediaTypeOf(handle)
  await handle.close()
  return type?.startsWith('video/') === true ? 'video' : 'audio'
}

function accepted(c: Context<Env>, { jobId, status }: Job, form: AnswerForm): Response {
  const at = `${API}/remote-jobs/${jobId}`
  const ending = ['srt', 'vtt', 'txt', 'tsv'].find((one) => form.endsWith(one)) ?? 'json'
  const body = {
    job_id: jobId,
    status,
    status_url: `${at}/status`,
    result_url: `${at}/result.${ending}`,
  }
  return c.body(writeJson(body), 202, {
    'content-type': 'application/json',
    location: at,
    'preference-applied': 'respond-async',
  })
}

function answerTypeOf(form: AnswerForm): string {
  if (isShared(form)) return MEDIA_TYPES[form]
  return form.endsWith('text') ? 'text/plain' : 'application/json'
}

/** Headers hold ASCII alone. */
function headerOf(text: string): string {
  return printable(text, { most: MAX_WARNING }).replace(/[^\x20-\x7e]/g, '?')
}
