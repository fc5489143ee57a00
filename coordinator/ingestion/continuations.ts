import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { delay, startInterval, startTimer } from '../../shared/timers.ts'
import { ENDED_STATUSES } from '../../shared/wire.ts'
import { hasEnded, type EndedJob, type Job } from '../job/job.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import type { Peers } from '../storage/peers.ts'
import {
  afterTry,
  again,
  undone,
  type Continuation,
  type StepName,
  type Tried,
} from '../job/continuation.ts'
import { DueSteps, type DueStep } from './due-steps.ts'
import { receiverOf, stepOf, unknownSteps, type TryStep } from './step.ts'

export interface ContinuationsOptions {
  jobs: Jobs
  log: Logger
  steps: Readonly<Record<StepName, TryStep>>
  /** The other coordinators that try the steps of the same jobs; null: there are none. */
  peers?: Peers | null
  /** 0 ≤ random < 1 */
  random: () => number
  /** The pause before an outcome that could not be persisted is written again. */
  unwrittenMs?: number
}

const MAX_RUNNING = 16
const UNWRITTEN_MS = 30 * SECOND
/** How often due steps are asked for that another coordinator may try. */
const ASK_MS = SECOND
/** Jobs with due steps that are kept from other coordinators: more than {@link MAX_RUNNING}, as a receiver may be slow. */
const MAX_HELD = 200
/** setTimeout overflows at 2^31 ms; re-armed at least hourly. */
const MAX_WAIT_MS = HOUR

/** Tries the steps that follow the ends of jobs, each on its own, and persists every outcome. */
export class Continuations implements JobSubscriber {
  readonly #options: ContinuationsOptions
  readonly #unwrittenMs: number
  readonly #due = new DueSteps()
  /** By continuation and step. */
  readonly #running = new Map<string, { jobId: string; ended: Promise<void> }>()
  /** Success that a callback reported during a try, which may miss it. */
  readonly #reported = new Map<string, Tried>()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #asking: Promise<void> | null = null
  #isAskedAgain = false

  constructor(options: ContinuationsOptions) {
    this.#options = options
    this.#unwrittenMs = options.unwrittenMs ?? UNWRITTEN_MS
  }

  /** Takes the steps that an earlier run left, and those of every job that ends. */
  async start(): Promise<void> {
    if (this.#options.peers) {
      const timer = startInterval(() => this.#ask(), ASK_MS).unref()
      this.#closing.signal.addEventListener('abort', () => clearInterval(timer))
      return this.#ask()
    }
    for await (const job of this.#options.jobs.reader.ended(ENDED_STATUSES)) this.#schedule(job)
    this.#arm()
  }

  onChange(before: Job | null, after: Job | null): void {
    if (after === null) return this.#logRemoved(before)
    this.#schedule(after)
    this.#arm()
  }

  /**
   * Starts steps over.
   * @param names null: all that are not done.
   * @throws {AppError} `not_found`; `conflict` when nothing follows the job; `invalid` for a step that it does not have.
   */
  async retry(jobId: string, names: readonly StepName[] | null): Promise<Job> {
    const { jobs } = this.#options
    const job = await jobs.get(jobId)
    if (!hasEnded(job))
      throw new AppError('conflict', `Job ${jobId} has not ended: it is ${job.status}.`)
    const { continuation } = job
    if (continuation === null)
      throw new AppError('conflict', `Nothing follows the end of job ${jobId}.`)
    const unknown = names?.filter((name) => stepOf(continuation, name) === undefined) ?? []
    if (unknown.length > 0) throw unknownSteps(jobId, unknown)
    const after = await this.#follow(jobId, continuation.id, (now) =>
      again(now, names ?? undone(now), jobs.now()),
    )
    this.#schedule(after)
    this.#arm()
    return after
  }

  /** Takes a step's outcome from a callback. @returns whether it ends the step. */
  async settle(jobId: string, id: string, name: StepName, tried: Tried): Promise<boolean> {
    const key = `${id} ${name}`
    // The running try may get the same answer, with more in it.
    if (this.#running.has(key)) {
      if (tried.done) this.#reported.set(key, tried)
      return tried.done
    }
    const isPending = (now: Continuation): boolean => stepOf(now, name)?.state === 'pending'
    const job = await this.#options.jobs.get(jobId)
    if (!hasEnded(job) || job.continuation?.id !== id || !isPending(job.continuation)) return false
    await this.#record(jobId, id, name, tried, isPending)
    this.#arm()
    return true
  }

  /** Begins the due steps; called by the timer, too. */
  look(): void {
    if (this.#closing.signal.aborted) return
    this.#due.open(this.#options.jobs.now())
    while (this.#running.size < MAX_RUNNING) {
      const next = this.#due.take()
      if (next === null) break
      this.#begin(next)
    }
    this.#arm()
  }

  /** Aborts the running tries, which are due again at the next start, or at another coordinator at once. */
  async close(): Promise<void> {
    const { log, peers } = this.#options
    this.#closing.abort(new AppError('cancelled', 'The coordinator stops.'))
    this.#arm()
    await Promise.all([this.#asking, ...[...this.#running.values()].map(({ ended }) => ended)])
    await peers
      ?.dueSteps({ most: 0, running: [] })
      .catch((error: unknown) => log.debug({ err: error }, 'cannot give back due steps'))
  }

  #schedule(job: Job): void {
    if (!hasEnded(job) || job.continuation === null) return
    if (this.#options.peers) this.#ask()
    else this.#add(job, Infinity)
  }

  /** Takes due steps that no other coordinator tries; once more when it is called meanwhile. */
  #ask(): void {
    const { peers, jobs, log } = this.#options
    if (this.#closing.signal.aborted) return
    if (this.#asking !== null) return void (this.#isAskedAgain = true)
    this.#isAskedAgain = false
    const running = [...this.#running.values()].map(({ jobId }) => jobId)
    const kept = [...new Set([...running, ...this.#due.jobIds])]
    this.#asking = peers!
      .dueSteps({ most: Math.max(0, MAX_HELD - kept.length), running: kept })
      .then((found) => {
        for (const job of found) this.#add(job, jobs.now())
        this.look()
      })
      .catch((error: unknown) => log.debug({ err: error }, 'cannot ask for due steps'))
      .finally(() => {
        this.#asking = null
        if (this.#isAskedAgain) this.#ask()
      })
  }

  /** Takes the steps of a job that are due by an instant. */
  #add(job: EndedJob, by: number): void {
    if (job.continuation === null) return
    const { id, steps } = job.continuation
    for (const { name, nextAt } of steps) {
      if (nextAt !== null && nextAt <= by)
        this.#due.add({ jobId: job.jobId, id, name, at: nextAt, receiver: receiverOf(job, name) })
    }
  }

  #logRemoved(job: Job | null): void {
    if (job === null || !hasEnded(job)) return
    for (const { name, tries, nextAt } of job.continuation?.steps ?? []) {
      const facts = { job_id: job.jobId, step: name, try: tries, state: 'removed' }
      if (nextAt !== null)
        this.#options.log.warn(facts, `${name} is not tried any more: its job has been removed`)
    }
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const at = this.#due.nextAt()
    if (at === null || this.#closing.signal.aborted) return
    const wait = Math.min(MAX_WAIT_MS, Math.max(0, at - this.#options.jobs.now()))
    this.#timer = startTimer(() => this.look(), wait).unref()
  }

  /** The step's job; null when the step is not to be tried any more, or is due at another time. */
  async #jobFor({ jobId, id, name, at }: DueStep): Promise<EndedJob | null> {
    const job = await this.#options.jobs.find(jobId)
    if (job === undefined || !hasEnded(job) || job.continuation?.id !== id) return null
    return stepOf(job.continuation, name)?.nextAt === at ? job : null
  }

  #begin(step: DueStep): void {
    const key = `${step.id} ${step.name}`
    const running = this.#running.get(key)
    if (running !== undefined) {
      this.#due.done(step)
      // That run may be of an older entry, which says nothing of this one.
      void running.ended.then(() => {
        this.#due.add(step)
        this.look()
      })
      return
    }
    const release = (): void => {
      this.#due.done(step)
      this.look()
    }
    const ended = this.#run(step, release).finally(() => {
      this.#running.delete(key)
      this.look()
      // For what follows this step, which another coordinator may try.
      if (this.#options.peers) this.#ask()
    })
    this.#running.set(key, { jobId: step.jobId, ended })
  }

  /** @param release frees the receiver, before the outcome is persisted. */
  async #run(step: DueStep, release: () => void): Promise<void> {
    const { jobId, id, name } = step
    const { signal } = this.#closing
    // The job may have changed since the step was scheduled.
    const job = await this.#jobFor(step).catch((error: unknown) => {
      const facts = { err: error, job_id: jobId, step: name }
      this.#options.log.error(facts, 'failed to read continuation state')
      return null
    })
    if (job === null) return release()
    const begun = stepOf(job.continuation!, name)
    // A database gives a new object each time.
    const isBegun = (now: Continuation): boolean =>
      stepOf(now, name) === begun ||
      (Boolean(this.#options.peers) && isDeepStrictEqual(stepOf(now, name), begun))
    const got = await this.#try(job, id, name)
    const tried = got.done ? got : (this.#reported.get(`${id} ${name}`) ?? got)
    this.#reported.delete(`${id} ${name}`)
    release()
    for (let isLogged = false; tried.done || !signal.aborted; isLogged = true) {
      try {
        return await this.#record(jobId, id, name, tried, isBegun)
      } catch (error) {
        // Removed meanwhile.
        if (error instanceof AppError && error.code === 'not_found') return
        const facts = { err: error, job_id: jobId, step: name }
        if (!isLogged) this.#options.log.error(facts, 'failed to persist continuation state')
        // Without a new try: the receiver would get the same message over and over.
        await delay(this.#unwrittenMs, { signal, ref: false }).catch(() => undefined)
        if (signal.aborted) return
      }
    }
  }

  async #try(job: EndedJob, id: string, name: StepName): Promise<Tried> {
    try {
      return await this.#options.steps[name](job, id, this.#closing.signal)
    } catch (error) {
      return { done: false, message: messageOf(error), final: false, retryAfterMs: null }
    }
  }

  /** @param isBegun false when the step was started over meanwhile, which voids this outcome. */
  async #record(
    jobId: string,
    id: string,
    name: StepName,
    tried: Tried,
    isBegun: (now: Continuation) => boolean,
  ): Promise<void> {
    const { jobs, log, random } = this.#options
    const short = tried.done
      ? tried
      : { ...tried, message: printable(tried.message, { most: 500 }) }
    const job = await this.#follow(jobId, id, (now) =>
      isBegun(now) ? afterTry(now, name, short, { now: jobs.now(), random: random() }) : now,
    )
    const step = hasEnded(job) && job.continuation?.id === id && stepOf(job.continuation, name)
    if (!step) return
    const { state, tries } = step
    const facts = { job_id: jobId, step: name, try: tries, state }
    log[state === 'failed' ? 'warn' : 'info'](facts, `${name} ${state}`)
    // Another step may have waited for this one.
    this.#schedule(job)
  }

  /** Changes the continuation, unless the job has got another one by being retried. */
  async #follow(
    jobId: string,
    id: string,
    change: (now: Continuation) => Continuation,
  ): Promise<Job> {
    return await this.#options.jobs.follow(jobId, (now) => (now.id === id ? change(now) : now))
  }
}
