import type { Logger } from 'pino'
import { AppError } from '../shared/errors.ts'
import type { SpeakerNames } from '../shared/speaker-names.ts'
import type { Continuation } from './job/continuation.ts'
import {
  completed,
  hasEnded,
  lastAttempt,
  type CompletedJob,
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
import { isRefused, type JobStore } from './storage/store.ts'
import { transitionFacts, type TokenName } from './job/transition-log.ts'
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
  /** The continuation of a job that has ended: persisted with the end. */
  followUp?: (job: EndedJob) => Continuation | null
}

export interface JobSubscriber {
  /** Called after each durable change of a status; `before` is null for a new job, `after` for a removed one. */
  onChange?(before: Job | null, after: Job | null): void
  /** Called after a change of a running job's progress or of a continuation. */
  onDetail?(before: Job, after: Job): void
}

/** The jobs and the one way to change them: the job's lock, the transition, the store, then queue, log and subscribers. */
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
  readonly #locks = new KeyedMutex()
  readonly #subscribers: JobSubscriber[] = []

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

  /** Calls these for each change, in this order. */
  subscribe(...subscribers: readonly JobSubscriber[]): void {
    this.#subscribers.push(...subscribers)
  }

  /** @throws {AppError} `not_found` */
  get(jobId: string): Job {
    const job = isJobId(jobId) ? this.#store.get(jobId) : undefined
    if (job === undefined)
      throw new AppError('not_found', `There is no job ${jobId.slice(0, 100)}.`)
    return job
  }

  find(jobId: string): Job | undefined {
    return this.#store.get(jobId)
  }

  inStatus<S extends Job['status']>(status: S): Iterable<Job & { status: S }> {
    return this.#store.inStatus(status)
  }

  newest: JobStore['newest'] = (query) => this.#store.newest(query)
  ofTask: JobStore['ofTask'] = (taskId) => this.#store.ofTask(taskId)
  heldBy: JobStore['heldBy'] = (workerId) => this.#store.heldBy(workerId)
  count: JobStore['count'] = (status) => this.#store.count(status)

  /**
   * Creates a job, unless its id exists already.
   * @param prepare makes durable what the job needs; under the job's lock.
   * @param undo takes that back when the store refused the job.
   */
  async create(
    jobId: string,
    prepare: () => Promise<PendingJob>,
    undo: () => Promise<void> = async () => undefined,
  ): Promise<Job> {
    return await this.#locks.take(jobId, async () => {
      const known = this.#store.get(jobId)
      if (known !== undefined) return known
      try {
        this.#store.check()
        const job = await this.terms.write(await prepare())
        this.#publish(null, job)
        return job
      } catch (error) {
        // After any other failure the job may exist at the next start.
        if (isRefused(error)) await undo()
        throw error
      }
    })
  }

  /**
   * Applies an event; durable, except for progress and lease renewals ({@link JobTerms.renew}).
   * @param prepare makes durable what the change needs; called under the job's lock, only when something changes.
   * @throws {AppError} `not_found`, and what the transition throws.
   */
  async apply(jobId: string, event: JobEvent, prepare?: () => Promise<void>): Promise<Job> {
    return await this.#locks.take(jobId, async () => {
      // First: reading the clock may shift the job's times.
      const now = this.now()
      const before = this.get(jobId)
      const context = { now, random: this.#random(), policy: this.policy }
      const moved = transition(before, event, context)
      if (moved === before) return moved
      const after = hasEnded(moved) ? { ...moved, continuation: this.#followUp(moved) } : moved
      if (before.status === 'processing' && after.status === 'processing') {
        const renewed = await this.terms.renew(before, after)
        this.#publishDetail(before, renewed)
        return renewed
      }
      const written = await this.terms.write(after, prepare)
      this.#publish(before, written)
      return written
    })
  }

  /**
   * Changes a job's continuation; durable. No effect when `change` returns the same object, or on a job that was retried.
   * @throws {AppError} `not_found`
   */
  async follow(jobId: string, change: (now: Continuation) => Continuation): Promise<Job> {
    return await this.#amend(jobId, (job) => {
      if (!hasEnded(job) || job.continuation === null) return job
      const continuation = change(job.continuation)
      return continuation === job.continuation ? job : { ...job, continuation }
    })
  }

  /**
   * Names speakers of a result; durable. An empty name gives the label back; those left out keep theirs.
   * @throws {AppError} `not_found`; `conflict` without a result.
   */
  async nameSpeakers(jobId: string, given: SpeakerNames): Promise<CompletedJob> {
    const named = await this.#amend(jobId, (job) => {
      const { result } = completed(job)
      const names = Object.entries({ ...result.speakerNames, ...given })
      const speakerNames = Object.fromEntries(names.filter(([, name]) => name !== ''))
      return { ...completed(job), result: { ...result, speakerNames } }
    })
    return completed(named)
  }

  /** Changes what belongs to a job beside its state; durable. No effect when `change` returns the same object. */
  async #amend(jobId: string, change: (job: Job) => Job): Promise<Job> {
    return await this.#locks.take(jobId, async () => {
      const job = this.get(jobId)
      const after = change(job)
      if (after === job) return job
      await this.#store.put(after)
      this.#publishDetail(job, after)
      return after
    })
  }

  logLateResult(jobId: string, artifact: string): void {
    this.#log.warn({ job_id: jobId, artifact }, 'kept a further result of a completed job')
  }

  /** Changes the lease of a running attempt; durable as a heartbeat is. */
  async changeLease(
    jobId: string,
    attempt: number,
    change: (lease: Lease, now: number) => Lease,
  ): Promise<void> {
    await this.#locks.take(jobId, async () => {
      const [now, job] = [this.now(), this.#store.get(jobId)]
      if (job?.status !== 'processing' || lastAttempt(job)?.number !== attempt) return
      await this.terms.renew(job, { ...job, lease: change(job.lease, now) })
    })
  }

  /**
   * Removes a job and its files under one lock, so that a new job of the same id keeps its own.
   * @param dropFiles removes its files, and returns the bytes freed.
   * @param isOld when given, only a job that has ended and is old is removed.
   * @returns the bytes freed.
   * @throws {AppError} `not_found`; `conflict` while a worker has it, or when it is not old.
   */
  async remove(
    jobId: string,
    dropFiles: (job: Job) => Promise<number>,
    isOld?: (job: EndedJob) => boolean,
  ): Promise<number> {
    return await this.#locks.take(jobId, async () => {
      const job = this.get(jobId)
      if (job.status === 'processing')
        throw new AppError('conflict', `Job ${jobId} is being processed: cancel it first.`)
      if (isOld !== undefined && !(hasEnded(job) && isOld(job)))
        throw new AppError('conflict', `Job ${jobId} is not to be removed: it is ${job.status}.`)
      let freedBytes = 0
      try {
        await this.#store.remove(jobId)
      } catch (error) {
        if (!hasEnded(job) || !isRefused(error)) throw error
        // A full disk has no room for the journal's line: the job's files make some.
        freedBytes = await dropFiles(job)
        await this.#store.remove(jobId)
      }
      this.#publish(job, null)
      return freedBytes + (await dropFiles(job))
    })
  }

  /**
   * Works on a job's files under its lock.
   * @throws {AppError} `unavailable` when the store takes no change.
   */
  async locked<T>(jobId: string, work: (job: Job | undefined) => Promise<T>): Promise<T> {
    return await this.#locks.take(jobId, async () => {
      this.check()
      return await work(this.#store.get(jobId))
    })
  }

  /** @throws {AppError} `unavailable` when the store takes no change: its journal failed, or the folder was lost. */
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
    for (const subscriber of this.#subscribers) subscriber.onChange?.(before, after)
  }

  #publishDetail(before: Job, after: Job): void {
    for (const subscriber of this.#subscribers) subscriber.onDetail?.(before, after)
  }
}
