import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { AppError } from '../shared/errors.ts'
import { parseWire } from '../shared/parse-wire.ts'
import { uploadFields, type CreateRequest } from '../shared/wire.ts'
import type { AddressGuard } from './ingestion/address-guard.ts'
import type { Ingestion } from './job/ingestion.ts'
import { checkWebhook, webhookOf } from './ingestion/webhook-target.ts'
import type { Job, PendingJob, Source } from './job/job.ts'
import type { Jobs } from './jobs.ts'
import { MAX_KINDS } from './job/queue.ts'
import { checkRequirements } from './job/requirements.ts'
import { checkOptions } from './job/task-options.ts'
import type { Sources } from './blobs/sources.ts'
import { receiveForm, type FormSource, type Upload } from './blobs/upload.ts'

export interface IntakeOptions {
  maxUploadBytes: number
  maxRetries: number
  guard: AddressGuard
}

export interface Wanted {
  contentType: string
  ingestionTaskId?: string
  taskOptions: Record<string, unknown>
  priority: number
  ingestion?: Ingestion
}

export interface Submission {
  /** A token's id; null: the API key. */
  submittedBy: string | null
  /** The same key of the same submitter gives the same job. */
  idempotencyKey: string | null
}

/** Creates jobs from a path inside a media root, or from an upload. */
export class Intake {
  readonly #jobs: Jobs
  readonly #sources: Sources
  readonly #options: IntakeOptions

  constructor(jobs: Jobs, sources: Sources, options: IntakeOptions) {
    this.#jobs = jobs
    this.#sources = sources
    this.#options = options
  }

  /** @throws {AppError} `invalid`, `conflict` when the key was used for another job. */
  async fromPath(request: CreateRequest, submission: Submission): Promise<Job> {
    const source = await this.#sources.fromPath(request.sourceFilePath)
    return await this.#create(request, submission, source, async () => source)
  }

  /** @throws {AppError} `invalid`, `bad_request`, `too_large`, `no_space`, `conflict`. */
  async fromUpload(request: FormSource, submission: Submission): Promise<Job> {
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

  /** Creates a job from a received file. @throws {AppError} `invalid`, `conflict`. */
  async adopt(wanted: Wanted, upload: Upload, submission: Submission): Promise<Job> {
    return await this.#create(wanted, submission, { path: null, ...upload }, async (jobId) =>
      this.#sources.adopt(jobId, upload),
    )
  }

  async #create(
    wanted: Wanted,
    { submittedBy, idempotencyKey }: Submission,
    file: Pick<Source, 'path' | 'sha256'>,
    source: (jobId: string) => Promise<Source>,
  ): Promise<Job> {
    const { contentType, taskOptions, priority } = wanted
    checkRequirements(taskOptions)
    checkOptions(taskOptions)
    const webhook = webhookOf({ ingestion: wanted.ingestion ?? null, taskOptions })
    if (webhook !== null)
      checkWebhook(webhook, this.#options.guard, wanted.ingestion?.webhook ? null : taskOptions)
    const jobId = idempotencyKey === null ? randomUUID() : idFor(submittedBy, idempotencyKey)
    const job = await this.#jobs.create(
      jobId,
      async (): Promise<PendingJob> => {
        if (this.#jobs.queue.isOneKindTooMany({ submittedBy, contentType, taskOptions }))
          throw tooManyKinds()
        const stored = await source(jobId)
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
          source: stored,
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
    const other =
      job.contentType !== contentType ||
      job.source.path !== file.path ||
      job.source.sha256 !== file.sha256 ||
      (wanted.ingestionTaskId !== undefined && job.ingestionTaskId !== wanted.ingestionTaskId)
    if (other) throw new AppError('conflict', 'That Idempotency-Key was used for another job.')
    return job
  }
}

function tooManyKinds(): AppError {
  const message = `Jobs of ${MAX_KINDS} kinds (content type, language and requires) of yours wait already, which is the limit: use fewer, or retry when some are done.`
  return new AppError('too_many_requests', message)
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
