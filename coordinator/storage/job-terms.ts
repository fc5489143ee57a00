import type { Logger } from 'pino'
import { AppError } from '../../shared/errors.ts'
import { openAtOf, type Job, type PendingJob, type ProcessingJob } from '../job/job.ts'
import { freshLease, isWorthWriting } from '../job/lease.ts'
import type { Policy } from '../job/policy.ts'
import type { JobQueue } from '../job/queue.ts'
import { afterClockStep, afterStandstill } from '../job/clock-shift.ts'
import type { JobRows } from './job-table.ts'

export interface JobTermsOptions {
  table: JobRows
  queue: JobQueue
  now: () => number
  log: Logger
}

/**
 * Keeps leases and waits right across restarts, clock steps and standstills, also for jobs that are being written
 * meanwhile.
 */
export class JobTerms {
  readonly #table: JobRows
  readonly #queue: JobQueue
  readonly #now: () => number
  readonly #log: Logger
  /** Jobs with a changed lease that could not be persisted. */
  readonly #unwritten = new Set<string>()
  /** Clock changes while jobs are being written, oldest first. */
  #changes: ((job: Job) => Job)[] = []
  #writing = 0

  constructor({ table, queue, now, log }: JobTermsOptions) {
    this.#table = table
    this.#queue = queue
    this.#now = now
    this.#log = log
  }

  /**
   * Fills the queue from the store, and gives running attempts a full term: their workers could not reach the
   * coordinator. The grace of original workers is persisted, so that a further restart does not extend it.
   */
  async resume(policy: Policy): Promise<void> {
    const now = this.#now()
    for (const job of this.#table.inStatus('pending')) this.#queue.add(job, now)
    const inGrace: ProcessingJob[] = []
    for (const job of this.#table.inStatus('processing')) {
      const after = { ...job, lease: freshLease(job, now, policy) }
      this.#table.touch(after)
      if (after.lease.graceUntilAt !== job.lease.graceUntilAt) inGrace.push(after)
    }
    await Promise.all(inGrace.map(async (job) => await this.#writeLease(job)))
  }

  /** The clock was set by `ms`. */
  step(ms: number): void {
    this.#change((job) => afterClockStep(job, ms))
  }

  /** No worker could reach the coordinator for `ms`. */
  extend(ms: number): void {
    const now = this.#now()
    this.#change((job) => afterStandstill(job, ms, now))
  }

  #change(change: (job: Job) => Job): void {
    if (this.#writing > 0) this.#changes.push(change)
    for (const status of ['processing', 'pending'] as const) {
      for (const before of this.#table.inStatus(status)) {
        const after = this.#changed(before, [change])
        if (before.status === 'pending' && after.status === 'pending') this.#requeue(before, after)
      }
    }
  }

  /**
   * Makes a job durable, unless it is as before. @returns it, with the clock changes of the meantime.
   * @param made may still be made.
   */
  async write<T extends Job>(made: T | Promise<T>, before: Job | null = null): Promise<T> {
    const known = this.#changes.length
    this.#writing += 1
    try {
      const job = made instanceof Promise ? await made : made
      if (job === before) return job
      await this.#table.put(job)
      this.#written(job.jobId)
      return this.#changed(job, this.#changes.slice(known))
    } finally {
      this.#writing -= 1
      if (this.#writing === 0) this.#changes = []
    }
  }

  /** Keeps a lease in memory, and persists what {@link isWorthWriting}; a failed write is repeated with the next heartbeat. */
  async renew(before: ProcessingJob, after: ProcessingJob): Promise<ProcessingJob> {
    this.#table.touch(after)
    const isDue = isWorthWriting(before.lease, after.lease) || this.#unwritten.has(after.jobId)
    return isDue ? await this.#writeLease(after) : after
  }

  async #writeLease(job: ProcessingJob): Promise<ProcessingJob> {
    const { jobId } = job
    try {
      return await this.write(job)
    } catch (error) {
      const text =
        'failed to persist the lease of a running attempt; retrying with later heartbeats'
      const facts = error instanceof AppError ? { code: error.code } : { err: error }
      if (this.#unwritten.size === 0) this.#log.warn({ job_id: jobId, ...facts }, text)
      this.#unwritten.add(jobId)
      return job
    }
  }

  #written(jobId: string): void {
    if (this.#unwritten.delete(jobId) && this.#unwritten.size === 0)
      this.#log.info('leases of running attempts are persisted again')
  }

  #changed<T extends Job>(job: T, changes: readonly ((job: Job) => Job)[]): T {
    const after = changes.reduce<Job>((now, change) => change(now), job)
    if (after !== job) this.#table.touch(after)
    return after as T
  }

  /** Moves a waiting job in the queue, unless it is open before and after. */
  #requeue(before: PendingJob, after: PendingJob): void {
    const now = this.#now()
    const isOpen = Math.max(openAtOf(before), openAtOf(after)) <= now
    if (!isOpen && this.#queue.has(after.jobId)) this.#queue.add(after, now)
  }
}
