import { AppError, isRetryableCode } from '../../shared/errors.ts'
import type { Order } from '../../shared/wire.ts'
import type { Beat, Checkpoint } from '../blobs/heartbeat-work.ts'
import type { JobFiles } from '../blobs/job-files.ts'
import type { ReceivedResult } from '../blobs/transcript-work.ts'
import { worksOn } from '../access/ownership.ts'
import type { Principal } from '../access/principal.ts'
import { attemptOf, isOriginal, lastAttempt, type Job, type JobEvent } from '../job/job.ts'
import { fetched, fetching } from '../job/lease.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import { LateResults } from './late-results.ts'
import type { LeaseTokens } from './lease-tokens.ts'

export interface JobOrder {
  jobId: string
  order: Order
}

/** What a worker may do with its attempt: keep it, end it, return it, fetch its source. */
export class Attempts implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #tokens: LeaseTokens
  readonly #files: JobFiles
  readonly #late: LateResults

  constructor(jobs: Jobs, tokens: LeaseTokens, files: JobFiles) {
    this.#jobs = jobs
    this.#tokens = tokens
    this.#files = files
    this.#late = new LateResults(jobs, files.artifacts)
  }

  onChange(before: Job | null, after: Job | null): void {
    // A job that is retried by hand starts from the beginning, also where this failed at its end.
    const hasEnded = [before, after].some((job) => job !== null && 'completedAt' in job)
    if (after !== null && hasEnded) this.#files.checkpoints.forget(after.jobId)
  }

  /** Renews a lease, keeps its checkpoint, and returns what the worker is to do with the job. */
  async heartbeat(beat: Beat, caller: Principal): Promise<JobOrder> {
    const { jobId, leaseToken } = beat
    let order: Order = 'lost'
    const held = (job: Job): JobEvent => {
      const attempt = this.#tokens.read('lease', job, leaseToken)
      const isTheirs = attempt !== null && worksOn(caller, attemptOf(job, attempt))
      order = isTheirs ? orderFor(job) : 'lost'
      if (isTheirs) return { type: 'heartbeat', attempt, beat: eventOf(beat) }
      throw new AppError('lease_lost', `That lease token is not of job ${jobId}.`)
    }
    try {
      const after = await this.#jobs.apply(jobId, held)
      if (after.status !== 'processing') return { jobId, order: orderFor(after) }
      if (beat.checkpoint && this.#takesFiles())
        this.#files.checkpoints.keep(jobId, beat.checkpoint)
      return { jobId, order: 'continue' }
    } catch (error) {
      const isOver = error instanceof AppError && ['lease_lost', 'not_found'].includes(error.code)
      if (!isOver) throw error
      return { jobId, order }
    }
  }

  /**
   * Takes a worker's result or failure; repeating it gives the same answer.
   * @throws {AppError} `not_found`, `lease_lost`; `conflict` when the job has another result, beside which this one is kept
   * as an artifact.
   */
  async finish(jobId: string, { facts, packed }: ReceivedResult, caller: Principal): Promise<Job> {
    let attempt = 0
    const meant = (job: Job): number =>
      (attempt = this.#attemptOf(job, facts.leaseToken ?? null, caller))
    if (packed === null) {
      const code = facts.errorCode ?? 'internal'
      const message = facts.errorMessage ?? 'The worker gave no reason.'
      const retryable = facts.retryable ?? isRetryableCode(code)
      const failure = { type: 'fail', code, message, retryable } as const
      return await this.#jobs.apply(jobId, (job) => ({ ...failure, attempt: meant(job) }))
    }
    const { result, json } = packed
    try {
      return await this.#jobs.apply(
        jobId,
        (job) => ({ type: 'succeed', attempt: meant(job), result }),
        async () => {
          if (json !== null) await this.#files.results.save({ jobId, result }, json)
        },
      )
    } catch (error) {
      const job = await this.#jobs.find(jobId)
      const isLate = error instanceof AppError && error.code === 'conflict'
      if (!isLate || job?.status !== 'completed') throw error
      throw await this.#late.keep(job, attempt, packed)
    }
  }

  /** @throws {AppError} `not_found`, `lease_lost`. */
  async release(jobId: string, leaseToken: string, caller: Principal): Promise<Job> {
    return await this.#jobs.apply(jobId, (job) => ({
      type: 'release',
      attempt: this.#attemptOf(job, leaseToken, caller),
    }))
  }

  /** The checkpoint of an earlier attempt, or null. */
  async checkpointOf(job: Job): Promise<Checkpoint | null> {
    const isFirst = (lastAttempt(job)?.number ?? 1) === 1
    return isFirst ? null : await this.#files.checkpoints.read(job.jobId)
  }

  /**
   * Allows a worker to upload artifacts of the attempt it holds.
   * @throws {AppError} `forbidden` without a token, `not_found`, `lease_lost`, `unavailable`.
   */
  async mayUpload(jobId: string, lease: string | null, caller: Principal): Promise<void> {
    this.#jobs.check()
    const job = await this.#jobs.get(jobId)
    if (lease === null) throw new AppError('forbidden', `Job ${jobId} is not assigned to you.`)
    const attempt = this.#attemptOf(job, lease, caller)
    if (holds(job, attempt)) return
    throw new AppError('lease_lost', `Attempt ${attempt} no longer holds job ${jobId}.`)
  }

  /**
   * Allows a worker to fetch the source of the attempt it holds. Only a worker of the original protocol may do so without
   * a token.
   * @returns the attempt's number.
   * @throws {AppError} `forbidden` when the attempt is not the current one.
   */
  async mayDownload(
    job: Job,
    { lease, query }: { lease: string | null; query: string | null },
    caller: Principal,
  ): Promise<number> {
    const { jobId } = job
    const attempt =
      lease !== null
        ? this.#tokens.read('lease', job, lease)
        : query !== null
          ? this.#tokens.read('download', job, query)
          : originalIn(job)
    const refused = new AppError('forbidden', `Job ${jobId} is not assigned to you, or no longer.`)
    if (attempt === null) throw refused
    await this.#jobs.changeLease(jobId, attempt, fetching, (now) => {
      if (now === null || !worksOn(caller, lastAttempt(now))) throw refused
    })
    return attempt
  }

  async downloaded({ jobId }: Job, attempt: number): Promise<void> {
    await this.#jobs.changeLease(jobId, attempt, fetched)
  }

  /** Whether checkpoints can be kept; a lost one only costs time. */
  #takesFiles(): boolean {
    try {
      this.#jobs.check()
      return true
    } catch {
      return false
    }
  }

  /** The attempt that a worker means. */
  #attemptOf(job: Job, leaseToken: string | null, caller: Principal): number {
    const { jobId } = job
    const attempt =
      leaseToken === null
        ? job.attempts.findLast((one) => isOriginal(one) && worksOn(caller, one))?.number
        : this.#tokens.read('lease', job, leaseToken)
    const isGood =
      attempt !== null && attempt !== undefined && worksOn(caller, attemptOf(job, attempt))
    if (isGood) return attempt
    throw new AppError(
      'lease_lost',
      leaseToken === null
        ? `Job ${jobId} is not being processed by a worker without a lease: send its lease_token.`
        : `That lease token is not of job ${jobId}.`,
    )
  }
}

function holds(job: Job, attempt: number): boolean {
  return job.status === 'processing' && lastAttempt(job)?.number === attempt
}

/** The attempt of a worker of the original protocol that holds a job. */
function originalIn(job: Job): number | null {
  const current = lastAttempt(job)
  return current !== undefined && isOriginal(current) ? current.number : null
}

function eventOf({ stage, progress, mediaSeconds, processedSeconds, quietSeconds }: Beat) {
  return {
    stage,
    progress,
    mediaSeconds: mediaSeconds ?? null,
    processedSeconds: processedSeconds ?? null,
    isQuiet: (quietSeconds ?? 0) > 0,
  }
}

/** The order for a job that the worker no longer holds. */
function orderFor(job: Job): Order {
  if (job.status === 'cancelled') return 'cancel'
  return job.status === 'completed' ? 'superseded' : 'lost'
}
