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
  type ProcessingJob,
} from './job/job.ts'
import type { Policy } from './job/policy.ts'
import { transitionFacts, type TokenName } from './job/transition-log.ts'
import { transition } from './job/transition.ts'
import type { Change, JobReader, JobStore, Mutation, Order, Taken } from './storage/job-store.ts'
import { isJobId } from './storage/record.ts'
import { isRefused } from './storage/job-table.ts'

export interface JobsOptions {
  store: JobStore
  policy: Policy
  log: Logger
  random: () => number
  /** For the log. */
  tokenName?: TokenName
  /** The continuation of a job that has ended: persisted with the end. */
  followUp?: (job: EndedJob) => Continuation | null
  /** Removes a job by `remove`, and makes durable what has to outlive it. */
  removing?: (job: Job, remove: () => Promise<void>) => Promise<void>
}

export interface JobSubscriber {
  /** Called after each durable change of a status; `before` is null for a new job, `after` for a removed one. */
  onChange?(before: Job | null, after: Job | null): void
  /** Called after a change of a running job's progress or of a continuation. */
  onDetail?(before: Job, after: Job): void
}

/** The one way to change jobs: the job's turn, the transition, the store, then log and subscribers. */
export class Jobs {
  readonly policy: Policy
  readonly now: () => number
  readonly reader: JobReader
  readonly #store: JobStore
  readonly #random: () => number
  readonly #followUp: (job: EndedJob) => Continuation | null
  readonly #log: Logger
  readonly #tokenName: TokenName
  readonly #removing: NonNullable<JobsOptions['removing']>
  readonly #subscribers: JobSubscriber[] = []

  constructor(options: JobsOptions) {
    const { store, policy, log, random, tokenName, followUp, removing } = options
    this.#store = store
    this.reader = store
    this.policy = policy
    this.now = store.now
    this.#log = log
    this.#random = random
    this.#tokenName = tokenName ?? (() => undefined)
    this.#followUp = followUp ?? (() => null)
    this.#removing = removing ?? (async (_, remove) => await remove())
  }

  /** Calls these for each change, in this order. */
  subscribe(...subscribers: readonly JobSubscriber[]): void {
    this.#subscribers.push(...subscribers)
  }

  /** Calls back with a job that has become available without a change. */
  onWork(listener: (job: PendingJob) => void): void {
    this.#store.onWork(listener)
  }

  /** @throws {AppError} `not_found` */
  async get(jobId: string): Promise<Job> {
    const job = await this.find(jobId)
    if (job === undefined) throw noJob(jobId)
    return job
  }

  async find(jobId: string): Promise<Job | undefined> {
    return isJobId(jobId) ? await this.#store.get(jobId) : undefined
  }

  isOneKindTooMany: JobStore['isOneKindTooMany'] = (job) => this.#store.isOneKindTooMany(job)

  /**
   * Creates a job, unless its id exists already.
   * @param prepare makes durable what the job needs; in the job's turn.
   * @param undo takes that back when the store refused the job.
   */
  async create(
    jobId: string,
    prepare: () => Promise<PendingJob>,
    undo: () => Promise<void> = async () => undefined,
  ): Promise<Job> {
    return await this.#store.inTurn(jobId, async () => {
      const known = await this.#store.get(jobId)
      if (known !== undefined) return known
      try {
        this.check()
        const { before, after } = await this.#store.create(await prepare())
        if (before === null) this.#publish(null, after)
        return after
      } catch (error) {
        // After any other failure the job may exist at the next start.
        if (isRefused(error)) await undo()
        throw error
      }
    })
  }

  /**
   * Applies an event; durable, except for progress and lease renewals.
   * @param event may be chosen by the job as it is by then, which may throw.
   * @param prepare makes durable what the change needs; called in the job's turn, only when something changes.
   * @throws {AppError} `not_found`, and what the transition throws.
   */
  async apply(
    jobId: string,
    event: JobEvent | ((job: Job) => JobEvent),
    prepare?: (job: Job) => Promise<void>,
  ): Promise<Job> {
    return await this.#change(jobId, (job, now) => {
      const context = { now, random: this.#random(), policy: this.policy }
      const moved = transition(job, typeof event === 'function' ? event(job) : event, context)
      if (moved === job) return job
      const after = hasEnded(moved) ? { ...moved, continuation: this.#followUp(moved) } : moved
      if (prepare === undefined) return after
      this.check()
      return prepare(job).then(() => after)
    })
  }

  /**
   * Claims jobs for a worker; null: there is nothing for it.
   * @param isGone whether the caller has left: then nothing is claimed.
   */
  claim(order: Order, isGone: () => boolean): Promise<Taken> | null {
    const { workerId, tokenId, claimId } = order
    const leased = claimId !== null
    const ability = leased ? order.ability.key : null
    const event = { type: 'claim', workerId, tokenId, claimId, leased, ability } as const
    return this.#store.claim(order, {
      take: (job, now) => {
        if (isGone()) return job
        return transition(job, event, { now, random: this.#random(), policy: this.policy })
      },
      taken: (before, after) => this.#publish(before, after),
    })
  }

  /**
   * Changes a job's continuation; durable. No effect when `change` returns the same object, or on a job that was retried.
   * @throws {AppError} `not_found`
   */
  async follow(jobId: string, change: (now: Continuation) => Continuation): Promise<Job> {
    return await this.#change(jobId, (job) => {
      if (!hasEnded(job) || job.continuation === null) return job
      const continuation = change(job.continuation)
      return continuation === job.continuation ? job : { ...job, continuation }
    })
  }

  /**
   * Names speakers of a result; durable. An empty name gives the label back; those left out keep theirs.
   * @param may throws when the caller must not.
   * @throws {AppError} `not_found`; `conflict` without a result.
   */
  async nameSpeakers(
    jobId: string,
    given: SpeakerNames,
    may: (job: Job) => void = () => undefined,
  ): Promise<CompletedJob> {
    const named = await this.#change(jobId, (job) => {
      may(job)
      const { result } = completed(job)
      const names = Object.entries({ ...result.speakerNames, ...given })
      const speakerNames = Object.fromEntries(names.filter(([, name]) => name !== ''))
      return { ...completed(job), result: { ...result, speakerNames } }
    })
    return completed(named)
  }

  logLateResult(jobId: string, artifact: string): void {
    this.#log.warn({ job_id: jobId, artifact }, 'kept a further result of a completed job')
  }

  /**
   * Changes the lease of a running attempt; durable as a heartbeat is.
   * @param may called with its job, or null when it runs no more; throws when that must not be.
   */
  async changeLease(
    jobId: string,
    attempt: number,
    change: (lease: Lease, now: number) => Lease,
    may: (job: ProcessingJob | null) => void = () => undefined,
  ): Promise<void> {
    await this.#store.inTurn(jobId, async () => {
      const mutation = await this.#store.mutate(jobId, (job, now) => {
        const isHeld = job.status === 'processing' && lastAttempt(job)?.number === attempt
        may(isHeld ? job : null)
        return isHeld ? { ...job, lease: change(job.lease, now) } : job
      })
      if (mutation === null) may(null)
    })
  }

  /**
   * Removes a job and its files in one turn, so that a new job of the same id keeps its own.
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
    const may = (job: Job): void => {
      if (job.status === 'processing')
        throw new AppError('conflict', `Job ${jobId} is being processed: cancel it first.`)
      if (isOld !== undefined && !(hasEnded(job) && isOld(job)))
        throw new AppError('conflict', `Job ${jobId} is not to be removed: it is ${job.status}.`)
    }
    return await this.#store.inTurn(jobId, async () => {
      let freedBytes = 0
      let removed: Job
      const remove = async (): Promise<Job> => {
        const job = await this.get(jobId)
        may(job)
        await this.#removing(job, async () => {
          if ((await this.#store.remove(jobId, may)) === null) throw noJob(jobId)
        })
        return job
      }
      try {
        removed = await remove()
      } catch (error) {
        const job = await this.find(jobId)
        if (job === undefined || !hasEnded(job) || !isRefused(error)) throw error
        // A full disk has no room for the journal's line: the job's files make some.
        freedBytes = await dropFiles(job)
        removed = await remove()
      }
      this.#publish(removed, null)
      return freedBytes + (await dropFiles(removed))
    })
  }

  /**
   * Works on a job's files in its turn.
   * @throws {AppError} `unavailable` when the store takes no change.
   */
  async locked<T>(jobId: string, work: (job: Job | undefined) => Promise<T>): Promise<T> {
    return await this.#store.inTurn(jobId, async () => {
      this.check()
      return await work(await this.find(jobId))
    })
  }

  /** @throws {AppError} `unavailable` when the store takes no change: its journal failed, or the folder was lost. */
  check(): void {
    this.#store.check()
  }

  async #change(jobId: string, change: Change): Promise<Job> {
    return await this.#store.inTurn(jobId, async () => {
      const mutation = await this.#store.mutate(jobId, change)
      if (mutation === null) throw noJob(jobId)
      this.#published(mutation)
      return mutation.after
    })
  }

  #published({ before, after }: Mutation): void {
    if (before === after) return
    if (before.status !== after.status || after.status === 'pending') this.#publish(before, after)
    else for (const subscriber of this.#subscribers) subscriber.onDetail?.(before, after)
  }

  #publish(before: Job | null, after: Job | null): void {
    const changed = this.#store.versionOf?.((after ?? before)!)
    // A removal is a change, too.
    const version = changed === undefined || after !== null ? changed : changed + 1
    this.#log.info(
      { ...transitionFacts(before, after, this.#tokenName), version },
      `job ${after?.status ?? 'removed'}`,
    )
    for (const subscriber of this.#subscribers) subscriber.onChange?.(before, after)
  }
}

export function noJob(jobId: string): AppError {
  return new AppError('not_found', `There is no job ${jobId.slice(0, 100)}.`)
}
