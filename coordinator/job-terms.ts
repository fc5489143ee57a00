import type { Logger } from 'pino'
import { AppError } from '../shared/errors.ts'
import { openAtOf, type Job, type PendingJob, type ProcessingJob } from './job/job.ts'
import { freshLease, isWorthWriting } from './job/lease.ts'
import type { Policy } from './job/policy.ts'
import type { JobQueue } from './job/queue.ts'
import { withMissedTime } from './job/missed-time.ts'
import { steppedJob } from './job/stepped-job.ts'
import type { JobStore } from './storage/job-store.ts'

export interface JobTermsOptions {
  store: JobStore
  queue: JobQueue
  now: () => number
  log: Logger
}

/**
 * The terms of the jobs of a store where the clock is set, or nothing runs for a while: nobody loses a lease for it, and
 * nobody waits the longer, also not who is being written down meanwhile.
 */
export class JobTerms {
  readonly #store: JobStore
  readonly #queue: JobQueue
  readonly #now: () => number
  readonly #log: Logger
  /** The jobs whose lease has changed so that a restart has to know, and could not be written down. */
  readonly #unwritten = new Set<string>()
  /** What has happened to all of them while some are being written, oldest first. */
  #changes: ((job: Job) => Job)[] = []
  #writing = 0

  constructor({ store, queue, now, log }: JobTermsOptions) {
    this.#store = store
    this.#queue = queue
    this.#now = now
    this.#log = log
  }

  /**
   * Fills the queue from the store. Every running attempt gets a full fresh term: its worker could not reach us while we
   * were away. From when on one of the original protocol is waited for is written down, for a restart that follows.
   */
  async resume(policy: Policy): Promise<void> {
    const now = this.#now()
    for (const jobId of this.#store.idsOf('pending'))
      this.#queue.add(this.#store.get(jobId) as PendingJob, now)
    const inGrace: ProcessingJob[] = []
    for (const jobId of this.#store.idsOf('processing')) {
      const job = this.#store.get(jobId)
      if (job?.status !== 'processing') continue
      const after = { ...job, lease: freshLease(job, now, policy) }
      this.#store.touch(after)
      if (after.lease.graceUntilAt !== job.lease.graceUntilAt) inGrace.push(after)
    }
    await Promise.all(inGrace.map(async (job) => await this.#writeLease(job)))
  }

  /** The clock was set by so much. */
  step(ms: number): void {
    this.#change((job) => steppedJob(job, ms))
  }

  /** For so long nobody could be heard. */
  extend(ms: number): void {
    const now = this.#now()
    this.#change((job) => withMissedTime(job, ms, now))
  }

  #change(change: (job: Job) => Job): void {
    if (this.#writing > 0) this.#changes.push(change)
    for (const status of ['processing', 'pending'] as const) {
      for (const jobId of this.#store.idsOf(status)) {
        const before = this.#store.get(jobId)!
        const after = this.#changed(before, [change])
        if (before.status === 'pending' && after.status === 'pending') this.#requeue(before, after)
      }
    }
  }

  /**
   * Makes a job durable, a new one too; the job as it is by then.
   * @param prepare what must be safe before.
   */
  async write<T extends Job>(job: T, prepare?: () => Promise<void>): Promise<T> {
    const known = this.#changes.length
    this.#writing += 1
    try {
      if (prepare !== undefined) {
        this.#store.check()
        await prepare()
      }
      if (this.#store.get(job.jobId) === undefined) await this.#store.create(job)
      else await this.#store.update(job)
      this.#written(job.jobId)
      return this.#changed(job, this.#changes.slice(known))
    } finally {
      this.#writing -= 1
      if (this.#writing === 0) this.#changes = []
    }
  }

  /**
   * Keeps what has become of a lease: in memory, and durable what {@link isWorthWriting}. Nobody is refused where that cannot be written: it is tried again with the next heartbeat,
   * and a store that has failed says so to whoever brings a result.
   */
  async renew(before: ProcessingJob, after: ProcessingJob): Promise<ProcessingJob> {
    this.#store.touch(after)
    const isDue = isWorthWriting(before.lease, after.lease) || this.#unwritten.has(after.jobId)
    return isDue ? await this.#writeLease(after) : after
  }

  async #writeLease(job: ProcessingJob): Promise<ProcessingJob> {
    const { jobId } = job
    try {
      return await this.write(job)
    } catch (error) {
      const text =
        'what a restart has to know of a running attempt cannot be written, and is with a later heartbeat'
      const facts = error instanceof AppError ? { code: error.code } : { err: error }
      if (this.#unwritten.size === 0) this.#log.warn({ job_id: jobId, ...facts }, text)
      this.#unwritten.add(jobId)
      return job
    }
  }

  #written(jobId: string): void {
    if (this.#unwritten.delete(jobId) && this.#unwritten.size === 0)
      this.#log.info('what a restart has to know of running attempts is written again')
  }

  #changed<T extends Job>(job: T, changes: readonly ((job: Job) => Job)[]): T {
    const after = changes.reduce<Job>((now, change) => change(now), job)
    if (after !== job) this.#store.touch(after)
    return after as T
  }

  /** Puts a job that still waits to another place; the many that are open before and after stay where they are. */
  #requeue(before: PendingJob, after: PendingJob): void {
    const now = this.#now()
    const isOpen = Math.max(openAtOf(before), openAtOf(after)) <= now
    if (!isOpen && this.#queue.has(after.jobId)) this.#queue.add(after, now)
  }
}
