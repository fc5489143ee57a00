import { MINUTE, SECOND } from '../../shared/duration.ts'
import {
  AppError,
  isDiskFull,
  isRetryable,
  messageOf,
  type ErrorCode,
} from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { startInterval } from '../../shared/timers.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, type Job, type JobEvent, type ProcessingJob } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import { packResult } from '../blobs/packed-result.ts'
import type { Results } from '../blobs/results.ts'
import type { Processor } from './processors.ts'

export interface LocalAttemptOptions {
  jobId: string
  processor: Processor
  jobs: Jobs
  results: Results
  /** Aborted when the coordinator stops, which gives the attempt back. */
  closing: AbortSignal
  /** Who of several coordinators has it, by a lease; null: there is no other. */
  holder: string | null
}

/** A processor that is away: it gets no jobs for a while. */
export interface Away {
  message: string
  forMs: number
}

/** How an attempt ended. `refused`: the processor cannot do the file, others may; `other`: says nothing of the processor. */
export type LocalEnd = Away | 'done' | 'refused' | 'other'

const AWAY_MS = MINUTE
const BEATS_PER_LEASE = 3

/** One attempt at a job inside the coordinator, from its claim to its end. */
export class LocalAttempt {
  readonly #options: LocalAttemptOptions
  /** Aborted when the attempt no longer holds the job. */
  readonly #taken = new AbortController()
  /** Null until the job is claimed. */
  #number: number | null = null

  constructor(options: LocalAttemptOptions) {
    this.#options = options
  }

  get processor(): string {
    return this.#options.processor.name
  }

  /** Call on every change of the job; null: it was removed. */
  notice(after: Job | null | undefined): void {
    if (this.#number === null) return
    const isOurs = after?.status === 'processing' && lastAttempt(after)?.number === this.#number
    if (!isOurs)
      this.#taken.abort(new AppError('cancelled', 'The job is no longer to be done here.'))
  }

  /**
   * Claims the job, processes it, and ends the attempt, unless another attempt has the job by then.
   * @throws what kept a change from being persisted.
   */
  async run(): Promise<LocalEnd> {
    const { jobs, jobId, processor, closing, holder } = this.#options
    const us = { workerId: LOCAL_WORKER, claimId: holder, leased: holder !== null }
    const job = await this.#apply({ type: 'claim', ...us, ability: processor.ability })
    if (job?.status !== 'processing') return 'other'
    const attempt = lastAttempt(job)!.number
    this.#number = attempt
    this.notice(await jobs.find(jobId))
    const beating =
      holder === null
        ? undefined
        : startInterval(() => void this.#beat(attempt), jobs.policy.leaseMs / BEATS_PER_LEASE)
    try {
      await this.#process(job, AbortSignal.any([closing, this.#taken.signal]))
      return 'done'
    } catch (error) {
      if (this.#taken.signal.aborted) return 'other'
      const away = this.#away(job, error)
      const isGivenBack = away !== null || closing.aborted
      const after = await this.#apply(
        isGivenBack ? { type: 'release', attempt } : failure(attempt, error),
      )
      return away ?? (after !== null && isRefused(after) ? 'refused' : 'other')
    } finally {
      clearInterval(beating)
    }
  }

  /** Renews the lease. What a processor does it does not say. */
  async #beat(attempt: number): Promise<void> {
    const beat = { stage: 'processing', progress: 0, mediaSeconds: null, processedSeconds: null }
    try {
      const event = { type: 'heartbeat', attempt, beat: { ...beat, isQuiet: true } } as const
      this.notice(await this.#apply(event))
    } catch {
      // The store takes no change just now: the next one may come in time.
    }
  }

  async #process(job: ProcessingJob, signal: AbortSignal): Promise<void> {
    const { jobs, processor, results } = this.#options
    signal.throwIfAborted()
    const begunAt = performance.now()
    const body = await processor.process(job, signal)
    signal.throwIfAborted()
    const { result, json } = packResult(body, (performance.now() - begunAt) / SECOND)
    const attempt = lastAttempt(job)!.number
    await jobs.apply(job.jobId, { type: 'succeed', attempt, result }, async () => {
      if (json !== null) await results.save({ jobId: job.jobId, result }, json)
    })
  }

  /** A missing server is not the file's fault; neither is a missing program, where workers may do the file. */
  #away({ ingestion }: ProcessingJob, error: unknown): Away | null {
    if (!(error instanceof AppError)) return null
    const codes: readonly ErrorCode[] =
      this.processor === 'morag' ? ['unavailable', 'too_many_requests'] : ['engine_missing']
    const isForOthers = this.processor === 'morag' || ingestion?.local !== true
    if (!isForOthers || !codes.includes(error.code)) return null
    const asked = (error.retryAfterSeconds ?? 0) * SECOND
    return { message: error.message, forMs: Math.max(AWAY_MS, asked) }
  }

  /** The job after an event; null when the attempt no longer holds it. */
  async #apply(event: JobEvent): Promise<Job | null> {
    const { jobs, jobId } = this.#options
    try {
      return await jobs.apply(jobId, event)
    } catch (error) {
      const codes = ['conflict', 'lease_lost', 'not_found']
      if (error instanceof AppError && codes.includes(error.code)) return null
      throw error
    }
  }
}

function isRefused(job: Job): boolean {
  const last = lastAttempt(job)
  return job.status === 'pending' && last?.outcome === 'released' && last.errorCode !== null
}

function failure(attempt: number, error: unknown): JobEvent {
  const code = codeOf(error)
  const message = printable(messageOf(error), { most: 500 })
  // A missing program does not appear by itself.
  const retryable = code !== 'engine_missing' && isRetryable(error)
  return { type: 'fail', attempt, code, message, retryable }
}

function codeOf(error: unknown): string {
  if (error instanceof AppError) return error.code
  return isDiskFull(error) ? 'no_space' : 'internal'
}
