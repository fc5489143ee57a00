import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { AppError } from '../shared/errors.ts'
import { parseWire } from '../shared/parse-wire.ts'
import { uploadFields, type CreateRequest } from '../shared/wire.ts'
import { OpenCount } from './access/open-count.ts'
import type { Origins } from './blobs/origins.ts'
import type { AddressGuard } from './ingestion/address-guard.ts'
import { fetchSource, sourceUrlOf, type FetchOptions } from './ingestion/fetched-source.ts'
import type { Ingestion } from './job/ingestion.ts'
import { checkWebhook, webhookOf } from './ingestion/webhook-target.ts'
import type { Job, PendingJob, Source } from './job/job.ts'
import type { Jobs } from './jobs.ts'
import type { Holder, Quotas } from './usage/quotas.ts'
import { MAX_KINDS } from './job/queue.ts'
import { checkRequirements } from './job/requirements.ts'
import { checkOptions } from './job/task-options.ts'
import type { Sources } from './blobs/sources.ts'
import { receiveForm, type FormSource, type Upload } from './blobs/upload.ts'

export interface IntakeOptions {
  maxUploadBytes: number
  maxRetries: number
  guard: AddressGuard
  quotas: Quotas
}

export interface Wanted {
  contentType: string
  ingestionTaskId?: string
  taskOptions: Record<string, unknown>
  priority: number
  ingestion?: Ingestion
}

/** @param contentType null, or `auto`: by the file itself. */
export type WantedFromUrl = Omit<Wanted, 'contentType'> & {
  sourceUrl: string
  contentType?: string | null | undefined
}

export interface Submission extends Holder {
  /** A token's id; null: the API key. */
  submittedBy: string | null
  /** The same key of the same submitter gives the same job. */
  idempotencyKey: string | null
}

/** With a key, a fetch goes on without its client. */
const FETCHES_OF_TOKEN = 16

/** Creates jobs from an upload, from a path inside a media root, or from an address of the web. */
export class Intake {
  readonly #jobs: Jobs
  readonly #sources: Sources
  readonly #origins: Origins
  readonly #options: IntakeOptions
  readonly #fetches = new OpenCount('files being fetched', FETCHES_OF_TOKEN)

  constructor(jobs: Jobs, sources: Sources, origins: Origins, options: IntakeOptions) {
    this.#jobs = jobs
    this.#sources = sources
    this.#origins = origins
    this.#options = options
  }

  /**
   * To be called before a file is received. A repetition makes no job.
   * @throws {AppError} `quota_exceeded` when the submitter may create no job.
   */
  async checkQuota(submission: Submission): Promise<void> {
    const { submittedBy, idempotencyKey: key } = submission
    const known = key === null ? undefined : await this.#jobs.find(idFor(submittedBy, key))
    if (known !== undefined) return
    await this.#options.quotas.check(submission)
  }

  /** @throws {AppError} `invalid`, `quota_exceeded`; `conflict` when the key was used for another job. */
  async fromPath(request: CreateRequest, submission: Submission): Promise<Job> {
    const source = await this.#sources.fromPath(request.sourceFilePath)
    return await this.#create(request, submission, source, async () => ({ ...request, source }))
  }

  /** @throws {AppError} `invalid`, `bad_request`, `too_large`, `no_space`, `quota_exceeded`, `conflict`. */
  async fromUpload(request: FormSource, submission: Submission): Promise<Job> {
    await this.checkQuota(submission)
    const { maxUploadBytes } = this.#options
    const { fields, upload } = await receiveForm(request, this.#sources.incoming, maxUploadBytes)
    try {
      const wanted = parseWire(uploadFields, fields.toObject(), 'body')
      if (upload === null) {
        const msg = "The form has no part named 'file'."
        const problems = [{ loc: ['body', 'file'], msg: 'Field required', type: 'missing' }]
        throw new AppError('invalid', msg, { problems })
      }
      return await this.adopt(wanted, upload, submission)
    } finally {
      if (upload !== null) await rm(upload.file, { force: true })
    }
  }

  /** Creates a job from a received file. @throws {AppError} `invalid`, `quota_exceeded`, `conflict`. */
  async adopt(wanted: Wanted, upload: Upload, submission: Submission): Promise<Job> {
    return await this.#create(wanted, submission, { path: null, ...upload }, async (jobId) => {
      return { ...wanted, source: await this.#sources.adopt(jobId, upload) }
    })
  }

  /**
   * Creates a job from the file at an address.
   * @param signal ends a fetch without a key. With one it goes on, for up to an hour, and a retry waits for it.
   * @throws {AppError} `invalid`, `quota_exceeded`, `conflict`, and as {@link fetchSource}.
   */
  async fromUrl(
    { sourceUrl, contentType: asked = null, ...wanted }: WantedFromUrl,
    submission: Submission,
    { signal, ...options }: Pick<FetchOptions, 'isKept' | 'check' | 'signal'>,
  ): Promise<Job> {
    const url = sourceUrlOf(sourceUrl)
    const contentType = asked === 'auto' ? null : asked
    const fetching: Omit<FetchOptions, 'signal'> = {
      isKept: options.isKept,
      contentType,
      check: async (found) => {
        await this.#checkKind(submission.submittedBy, found.contentType, wanted.taskOptions)
        await options.check(found)
      },
    }
    const places = { origins: this.#origins, sources: this.#sources }
    return await this.#create(
      { ...wanted, contentType },
      submission,
      { path: null, url },
      async (jobId) => {
        const name = submission.submittedBy ?? ''
        const release = this.#fetches.hold({ tokenId: submission.submittedBy, name })
        const fetch = async (ending: AbortSignal) =>
          await fetchSource(places, jobId, url, { ...fetching, signal: ending })
        const isLasting = submission.idempotencyKey !== null
        return await (isLasting ? this.#origins.lasting(fetch) : fetch(signal)).finally(release)
      },
    )
  }

  async #create(
    wanted: Omit<Wanted, 'contentType'> & { contentType: string | null },
    submission: Submission,
    file: { path: string | null; sha256?: string | null; url?: string },
    receive: (jobId: string) => Promise<{ contentType: string; source: Source }>,
  ): Promise<Job> {
    const { submittedBy, idempotencyKey } = submission
    const { taskOptions, priority } = wanted
    checkRequirements(taskOptions)
    checkOptions(taskOptions)
    const webhook = webhookOf({ ingestion: wanted.ingestion ?? null, taskOptions })
    if (webhook !== null)
      checkWebhook(webhook, this.#options.guard, wanted.ingestion?.webhook ? null : taskOptions)
    const jobId = idempotencyKey === null ? randomUUID() : idFor(submittedBy, idempotencyKey)
    let begun = (): void => undefined
    const created = this.#jobs.create(
      jobId,
      async (): Promise<PendingJob> => {
        begun = await this.#options.quotas.begin(submission, jobId)
        if (wanted.contentType !== null)
          await this.#checkKind(submittedBy, wanted.contentType, taskOptions)
        const { contentType, source } = await receive(jobId)
        const now = this.#jobs.now()
        return {
          jobId,
          status: 'pending',
          contentType,
          ingestionTaskId: wanted.ingestionTaskId ?? jobId,
          submittedBy,
          taskOptions,
          ingestion: wanted.ingestion ?? null,
          priority,
          source,
          createdAt: now,
          maxRetries: this.#options.maxRetries,
          retryCount: 0,
          attempts: [],
          availableAt: now,
          reserved: null,
        }
      },
      async () => {
        if (file.path === null) await this.#sources.removeOrphan(jobId)
      },
    )
    const job = await created.finally(() => begun())
    const other =
      (wanted.contentType ?? job.contentType) !== job.contentType ||
      job.source.path !== file.path ||
      job.source.origin?.url !== file.url ||
      (file.url === undefined && job.source.sha256 !== file.sha256) ||
      (wanted.ingestionTaskId !== undefined && job.ingestionTaskId !== wanted.ingestionTaskId)
    if (other) throw new AppError('conflict', 'That Idempotency-Key was used for another job.')
    return job
  }

  async #checkKind(
    submittedBy: string | null,
    contentType: string,
    taskOptions: Record<string, unknown>,
  ): Promise<void> {
    if (!(await this.#jobs.isOneKindTooMany({ submittedBy, contentType, taskOptions }))) return
    const message = `Jobs of ${MAX_KINDS} kinds (content type, language and requires) of yours wait already, which is the limit: use fewer, or retry when some are done.`
    throw new AppError('too_many_requests', message)
  }
}

/**
 * The job id of an Idempotency-Key: the SHA-256 of submitter and key as a UUID of version 8 (RFC 9562). A header holds no
 * NUL, so none can occur in a key.
 */
function idFor(submittedBy: string | null, key: string): string {
  const text = submittedBy === null ? key : `${submittedBy}\0${key}`
  const hash = createHash('sha256').update(text).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x80
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
