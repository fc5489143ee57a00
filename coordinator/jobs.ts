import type { Logger } from 'pino'
import { AppError } from '../shared/errors.ts'
import { STATUSES } from '../shared/wire.ts'
import type { Continuation } from './job/continuation.ts'
import {
  hasEnded,
  lastAttempt,
  type EndedJob,
  type Job,
  type JobEvent,
  type Lease,
  type PendingJob,
} from './job/job.ts'
import type { Policy } from './job/policy.ts'
import { JobQueue } from './job/queue.ts'
import { isJobId } from './storage/record.ts'
import { JobTerms } from './job-terms.ts'
import { isRefused, type JobStore } from './storage/job-store.ts'
import { transitionFacts, type TokenName } from './job/transition-line.ts'
import { transition } from './job/transition.ts'
import { KeyedMutex } from './keyed-mutex.ts'

export interface JobsOptions {
  store: JobStore
  policy: Policy
  log: Logger
  now: () => number
  random: () => number
  /** For the log. */
  tokenName?: TokenName
  /** What is to follow a job's end: written down with the end itself, before anybody is told of it. */
  followUp?: (job: EndedJob) => Continuation | null
}

/** Told of every durable change; `after` is null when the job is gone. */
export type JobListener = (before: Job | null, after: Job | null) => void

/**
 * The jobs and the one way to change them: the job's turn, the pure transition, the store, and only then what others may
 * see: the queue, the log, the listeners.
 */
export class Jobs {
  readonly queue = new JobQueue()
  readonly policy: Policy
  readonly now: () => number
  readonly terms: JobTerms
  readonly #store: JobStore
  readonly #random: () => number
  readonly #followUp: (job: EndedJob) => Continuation | null
  readonly #log: Logger
  readonly #tokenName: TokenName
  readonly #turns = new KeyedMutex()
  readonly #listeners: JobListener[] = []
  readonly #detailListeners: ((before: Job, after: Job) => void)[] = []

  constructor({ store, policy, log, now, random, tokenName, followUp }: JobsOptions) {
    this.#store = store
    this.terms = new JobTerms({ store, queue: this.queue, now, log })
    this.policy = policy
    this.now = now
    this.#log = log
    this.#random = random
    this.#tokenName = tokenName ?? (() => undefined)
    this.#followUp = followUp ?? (() => null)
  }

  onChange(listener: JobListener): void {
    this.#listeners.push(listener)
  }

  /** Calls back with what changes beside the status: a running job's progress, and what follows a job's end. */
  onDetail(listener: (before: Job, after: Job) => void): void {
    this.#detailListeners.push(listener)
  }

  /** @throws {AppError} `not_found`, also for a text that is no job id. */
  get(jobId: string): Job {
    const job = isJobId(jobId) ? this.#store.get(jobId) : undefined
    if (job === undefined)
      throw new AppError('not_found', `There is no job ${jobId.slice(0, 100)}.`)
    return job
  }

  find(jobId: string): Job | undefined {
    return this.#store.get(jobId)
  }

  /** The jobs in a status, in no order. */
  *inStatus(status: Job['status']): Iterable<Job> {
    for (const jobId of this.#store.idsOf(status)) yield this.#store.get(jobId)!
  }

  *all(): Iterable<Job> {
    for (const status of STATUSES) yield* this.inStatus(status)
  }

  newest: JobStore['newest'] = (before) => this.#store.newest(before)

  count(status: Job['status']): number {
    return this.#store.idsOf(status).size
  }

  /**
   * Makes a job, once: when its id is known already that job is the answer and `prepare` is not called.
   * @param prepare what must be safe before the job is.
   * @param undo takes that back when there was no room for the job; in its turn, so that it is nobody else's.
   */
  async create(
    jobId: string,
    prepare: () => Promise<PendingJob>,
    undo: () => Promise<void> = async () => undefined,
  ): Promise<Job> {
    return await this.#turns.take(jobId, async () => {
      const known = this.#store.get(jobId)
      if (known !== undefined) return known
      try {
        this.#store.check()
        const job = await this.terms.write(await prepare())
        this.#publish(null, job)
        return job
      } catch (error) {
        // Only what certainly did not happen: after any other failure the job may be there at the next start.
        if (isRefused(error)) await undo()
        throw error
      }
    })
  }

  /**
   * The job after an event, durable; progress and lease renewals stay in memory, but for the begin and end of a wait.
   * @param prepare what must be safe before the change is; called in the job's turn, and only when something changes.
   * @throws {AppError} `not_found`, and what the transition throws.
   */
  async apply(jobId: string, event: JobEvent, prepare?: () => Promise<void>): Promise<Job> {
    return await this.#turns.take(jobId, async () => {
      // First: the clock may have been set, which changes jobs.
      const now = this.now()
      const before = this.get(jobId)
      const context = { now, random: this.#random(), policy: this.policy }
      const moved = transition(before, event, context)
      if (moved === before) return moved
      const after = hasEnded(moved) ? { ...moved, continuation: this.#followUp(moved) } : moved
      if (before.status === 'processing' && after.status === 'processing') {
        const beaten = await this.terms.renew(before, after)
        for (const listener of this.#detailListeners) listener(before, beaten)
        return beaten
      }
      const written = await this.terms.write(after, prepare)
      this.#publish(before, written)
      return written
    })
  }

  /**
   * Changes what follows a job's end; durable. Nothing happens when `change` gives the very same continuation, or when
   * the job has been brought back since.
   * @returns the job, as it is by then.
   * @throws {AppError} `not_found`
   */
  async follow(jobId: string, change: (now: Continuation) => Continuation): Promise<Job> {
    return await this.#turns.take(jobId, async () => {
      const job = this.get(jobId)
      if (!hasEnded(job) || job.continuation === null) return job
      const continuation = change(job.continuation)
      if (continuation === job.continuation) return job
      const after = { ...job, continuation }
      await this.#store.update(after)
      for (const listener of this.#detailListeners) listener(job, after)
      return after
    })
  }

  /** Says in the log that a job has another result beside its own. */
  noteLate(jobId: string, artifact: string): void {
    this.#log.warn({ job_id: jobId, artifact }, 'another result came for a job that is completed')
  }

  /** Changes the lease of an attempt, where it still runs; durable as a heartbeat is. */
  async changeLease(
    jobId: string,
    attempt: number,
    change: (lease: Lease, now: number) => Lease,
  ): Promise<void> {
    await this.#turns.take(jobId, async () => {
      const [now, job] = [this.now(), this.#store.get(jobId)]
      if (job?.status !== 'processing' || lastAttempt(job)?.number !== attempt) return
      await this.terms.renew(job, { ...job, lease: change(job.lease, now) })
    })
  }

  /**
   * Forgets a job for good, and lets go of its files in the same turn: whoever takes its id next has files of his own.
   * @param dropFiles removes its files; how many bytes that freed.
   * @param isOld when given, only a job that has ended and is still old goes.
   * @returns what `dropFiles` freed.
   * @throws {AppError} `not_found`; `conflict` while a worker has it, or when it is not old by now.
   */
  async remove(
    jobId: string,
    dropFiles: (job: Job) => Promise<number>,
    isOld?: (job: EndedJob) => boolean,
  ): Promise<number> {
    return await this.#turns.take(jobId, async () => {
      const job = this.get(jobId)
      if (job.status === 'processing')
        throw new AppError('conflict', `Job ${jobId} is being processed: cancel it first.`)
      if (isOld !== undefined && !(hasEnded(job) && isOld(job)))
        throw new AppError('conflict', `Job ${jobId} is to stay by now: it is ${job.status}.`)
      let freedBytes = 0
      try {
        await this.#store.remove(jobId)
      } catch (error) {
        if (!hasEnded(job) || !isRefused(error)) throw error
        // A full disk has no room for the line that says so, and nobody works on its files any more: they make some.
        freedBytes = await dropFiles(job)
        await this.#store.remove(jobId)
      }
      this.#publish(job, null)
      return freedBytes + (await dropFiles(job))
    })
  }

  /**
   * Does something with a job's files while nobody changes the job, removes it or takes its id.
   * @throws {AppError} `unavailable` when the data folder takes no change any more.
   */
  async inTurn<T>(jobId: string, work: (job: Job | undefined) => Promise<T>): Promise<T> {
    return await this.#turns.take(jobId, async () => {
      this.check()
      return await work(this.#store.get(jobId))
    })
  }

  /** @throws {AppError} `unavailable` when the data folder takes no change: it has failed, or is another's by now. */
  check(): void {
    this.#store.check()
  }

  #publish(before: Job | null, after: Job | null): void {
    if (before?.status === 'pending') this.queue.remove(before.jobId)
    if (after?.status === 'pending') this.queue.add(after, this.now())
    this.#log.info(
      transitionFacts(before, after, this.#tokenName),
      `job ${after?.status ?? 'removed'}`,
    )
    for (const listener of this.#listeners) listener(before, after)
  }
}
