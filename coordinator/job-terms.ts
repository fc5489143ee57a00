import { openAtOf, type Job, type PendingJob } from './job/job.ts'
import { freshLease } from './job/lease.ts'
import type { JobQueue } from './job/queue.ts'
import { withMissedTime } from './job/missed-time.ts'
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
 * The terms of the jobs of a store where the clock is set, or nothing runs for a while: nobody loses a lease for it, and
 * nobody waits the longer, also not who is being written down meanwhile.
 */
export class JobTerms {
  readonly #store: JobStore
  readonly #queue: JobQueue
  readonly #now: () => number
  /** What has happened to all of them while some are being written, oldest first. */
  #changes: ((job: Job) => Job)[] = []
  #writing = 0

  constructor(store: JobStore, queue: JobQueue, now: () => number) {
    this.#store = store
    this.#queue = queue
    this.#now = now
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
      return this.#changed(job, this.#changes.slice(known))
    } finally {
      this.#writing -= 1
      if (this.#writing === 0) this.#changes = []
    }
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
