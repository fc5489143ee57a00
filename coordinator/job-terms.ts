import { openAtOf, type Job, type PendingJob } from './job/job.ts'
import { freshLease } from './job/lease.ts'
import type { JobQueue } from './job/queue.ts'
import { steppedJob } from './job/stepped-job.ts'
import type { JobStore } from './storage/job-store.ts'

/**
 * Fills the queue from the store. Every running attempt gets a full fresh term: its worker could not reach us while we
 * were away.
 */
export function resumeTerms(store: JobStore, queue: JobQueue, now: number, leaseMs: number): void {
  for (const jobId of store.idsOf('pending')) queue.add(store.get(jobId) as PendingJob, now)
  for (const jobId of store.idsOf('processing')) {
    const job = store.get(jobId)
    if (job?.status !== 'processing') continue
    store.touch({ ...job, lease: freshLease(job.lease, now, leaseMs) })
  }
}

/**
 * The terms of the jobs of a store where the clock is set: nobody loses a lease for it, and nobody waits the longer, also
 * not who is being written down meanwhile.
 */
export class SteppedTerms {
  readonly #store: JobStore
  readonly #queue: JobQueue
  readonly #now: () => number
  #totalMs = 0

  constructor(store: JobStore, queue: JobQueue, now: () => number) {
    this.#store = store
    this.#queue = queue
    this.#now = now
  }

  /** The clock was set by so much. */
  step(ms: number): void {
    this.#totalMs += ms
    for (const status of ['processing', 'pending'] as const) {
      for (const jobId of this.#store.idsOf(status)) {
        const before = this.#store.get(jobId)!
        const after = this.#step(before, ms)
        if (before.status === 'pending' && after.status === 'pending') this.#requeue(before, after)
      }
    }
  }

  /** Makes a job durable, a new one too; the job as it is by then. */
  async write<T extends Job>(job: T): Promise<T> {
    const before = this.#totalMs
    if (this.#store.get(job.jobId) === undefined) await this.#store.create(job)
    else await this.#store.update(job)
    const ms = this.#totalMs - before
    return ms === 0 ? job : this.#step(job, ms)
  }

  #step<T extends Job>(job: T, ms: number): T {
    const after = steppedJob(job, ms)
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
