import type { Logger } from 'pino'
import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { delay, startTimer } from '../../shared/timers.ts'
import { hasEnded, type EndedJob, type Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import {
  afterTry,
  again,
  undone,
  type Continuation,
  type StepName,
  type Tried,
} from '../job/continuation.ts'
import { DueSteps, type DueStep } from './due-steps.ts'
import type { TryStep } from './step.ts'
import { hasNot, receiverOf, stepOf } from './step-parts.ts'

export interface ContinuationsOptions {
  jobs: Jobs
  log: Logger
  /** How each step is tried. */
  steps: Readonly<Record<StepName, TryStep>>
  /** 0 ≤ random < 1 */
  random: () => number
  /** How long an outcome waits that could not be written down. */
  unwrittenMs?: number
}

/** So many are tried at once. */
const MOST = 16
const UNWRITTEN_MS = 30 * SECOND
/** Timers are not for days. */
const MOST_WAIT_MS = HOUR
const ENDED = ['completed', 'failed', 'timeout', 'cancelled'] as const

/** Tries what follows the ends of jobs, each step on its own, and writes every outcome down. */
export class Continuations {
  readonly #options: ContinuationsOptions
  readonly #unwrittenMs: number
  readonly #due = new DueSteps()
  /** By continuation and step. */
  readonly #running = new Map<string, Promise<void>>()
  /** That a step is done which is being tried: for when the try does not hear of it. */
  readonly #heard = new Map<string, Tried>()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | null = null

  constructor(options: ContinuationsOptions) {
    this.#options = options
    this.#unwrittenMs = options.unwrittenMs ?? UNWRITTEN_MS
  }

  /** Takes up what an earlier run has left, and from now on every job that ends. */
  start(): void {
    const { jobs } = this.#options
    for (const status of ENDED) for (const job of jobs.inStatus(status)) this.#await(job)
    jobs.onChange((before, after) => {
      if (after === null) return this.#forsake(before)
      this.#await(after)
      this.#arm()
    })
    this.#arm()
  }

  /**
   * Has steps done again from the start, also those that are done.
   * @param names null: those that are not done.
   * @returns the job as it is by then.
   * @throws {AppError} `not_found`; `conflict` when nothing follows the job; `invalid` for a step that it does not have.
   */
  async retry(jobId: string, names: readonly StepName[] | null): Promise<Job> {
    const { jobs } = this.#options
    const job = jobs.get(jobId)
    if (!hasEnded(job))
      throw new AppError('conflict', `Job ${jobId} has not ended: it is ${job.status}.`)
    const { continuation } = job
    if (continuation === null)
      throw new AppError('conflict', `Nothing follows the end of job ${jobId}.`)
    const foreign = names?.filter((name) => stepOf(continuation, name) === undefined) ?? []
    if (foreign.length > 0) throw hasNot(jobId, foreign)
    const after = await this.#follow(jobId, continuation.id, (now) =>
      again(now, names ?? undone(now), jobs.now()),
    )
    this.#await(after)
    this.#arm()
    return after
  }

  /**
   * Takes what the other side has told of a step by itself, unless the step is over.
   * @returns whether it was waited for.
   */
  async settle(jobId: string, id: string, name: StepName, tried: Tried): Promise<boolean> {
    const key = `${id} ${name}`
    // Whoever tries it just now may hear the same, and more.
    if (this.#running.has(key)) {
      if (tried.done) this.#heard.set(key, tried)
      return tried.done
    }
    const isPending = (now: Continuation): boolean => stepOf(now, name)?.state === 'pending'
    const job = this.#options.jobs.get(jobId)
    if (!hasEnded(job) || job.continuation?.id !== id || !isPending(job.continuation)) return false
    await this.#record(jobId, id, name, tried, isPending)
    this.#arm()
    return true
  }

  /** Tries what is due by now; the timer calls this, too. */
  look(): void {
    if (this.#closing.signal.aborted) return
    this.#due.open(this.#options.jobs.now(), (step) => {
      const job = this.#jobFor(step)
      return job === null ? null : receiverOf(job, step.name)
    })
    while (this.#running.size < MOST) {
      const next = this.#due.take()
      if (next === null) break
      this.#begin(next.step, next.receiver)
    }
    this.#arm()
  }

  /** Cuts what is under way, which is due again at the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The coordinator stops.'))
    this.#arm()
    await Promise.all(this.#running.values())
  }

  #await(job: Job): void {
    if (!hasEnded(job) || job.continuation === null) return
    const { id, steps } = job.continuation
    for (const { name, nextAt } of steps) {
      if (nextAt !== null) this.#due.add({ jobId: job.jobId, id, name, at: nextAt })
    }
  }

  /** Says what is not tried any more because somebody has removed the job. */
  #forsake(job: Job | null): void {
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
    const wait = Math.min(MOST_WAIT_MS, Math.max(0, at - this.#options.jobs.now()))
    this.#timer = startTimer(() => this.look(), wait).unref()
  }

  /** The job whose step it is; null when it is not to be tried (any more, or not yet). */
  #jobFor({ jobId, id, name, at }: DueStep): EndedJob | null {
    const job = this.#options.jobs.find(jobId)
    if (job === undefined || !hasEnded(job) || job.continuation?.id !== id) return null
    return stepOf(job.continuation, name)?.nextAt === at ? job : null
  }

  #begin(step: DueStep, receiver: string): void {
    const key = `${step.id} ${step.name}`
    // It may have stood in line for long.
    const job = this.#running.has(key) ? null : this.#jobFor(step)
    if (job === null) return this.#due.done(receiver)
    const left = (): void => {
      this.#due.done(receiver)
      this.look()
    }
    const run = this.#run(job, job.continuation!, step, left).finally(() => {
      this.#running.delete(key)
      this.look()
    })
    this.#running.set(key, run)
  }

  /** @param left called when its receiver is rid of it: writing down what came of it takes a while yet. */
  async #run(
    job: EndedJob,
    begun: Continuation,
    { jobId, id, name }: DueStep,
    left: () => void,
  ): Promise<void> {
    const { signal } = this.#closing
    const isBegun = (now: Continuation): boolean => stepOf(now, name) === stepOf(begun, name)
    const got = await this.#try(job, id, name)
    const tried = got.done ? got : (this.#heard.get(`${id} ${name}`) ?? got)
    this.#heard.delete(`${id} ${name}`)
    left()
    for (let told = false; tried.done || !signal.aborted; told = true) {
      try {
        return await this.#record(jobId, id, name, tried, isBegun)
      } catch (error) {
        // The job has been removed meanwhile.
        if (error instanceof AppError && error.code === 'not_found') return
        const facts = { err: error, job_id: jobId, step: name }
        if (!told) this.#options.log.error(facts, 'what follows a job cannot be written down')
        // It is not tried again for that, or its receiver would hear of it without end.
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

  /** @param isBegun false: somebody has had the step begin again meanwhile, and it is due once more whatever came of this. */
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
    // Another may have waited for it.
    this.#await(job)
  }

  /** Changes the continuation of that id: the job may have been brought back meanwhile, and have got another. */
  async #follow(
    jobId: string,
    id: string,
    change: (now: Continuation) => Continuation,
  ): Promise<Job> {
    return await this.#options.jobs.follow(jobId, (now) => (now.id === id ? change(now) : now))
  }
}
