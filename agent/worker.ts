import { randomUUID } from 'node:crypto'
import { AppError } from '../shared/errors.ts'
import type { ClaimedJob, Directive } from '../shared/wire.ts'
import type { ClaimRequest, Client } from './client.ts'
import type { Contact } from './contact.ts'
import { runJob, type JobRunnerParts } from './job-runner.ts'
import { pause } from './retry.ts'

export interface WorkerOptions {
  workerId: string
  contentTypes: readonly string[]
  slots: number
  waitSeconds: number
  once: boolean
  exitWhenIdle: boolean
}

export interface WorkerParts extends Omit<JobRunnerParts, 'stop'> {
  client: Client
  contact: Contact
}

/** An empty answer that came at once is not believed to come at once again. */
const LEAST_PAUSE_MS = 1_000
/** How long it may take to find out whether a dropped claim had an answer. */
const UNSEEN_MS = 2_000

/** The loop: as many claims as there are free slots, each job on its own, until it is told to stop. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #parts: WorkerParts
  readonly #running = new Set<Promise<void>>()
  /** Aborted when nothing new is to be claimed; `stop` when what runs is to be given back as well. */
  readonly #drain = new AbortController()
  readonly #stop = new AbortController()
  /** What the coordinator wants; while it says `drain` the agent idles. */
  #directive: Directive = 'run'
  #directed = new AbortController()

  constructor(options: WorkerOptions, parts: WorkerParts) {
    this.#options = options
    this.#parts = parts
  }

  get state(): 'idle' | 'running' | 'draining' {
    if (this.#drain.signal.aborted || this.#directive !== 'run') return 'draining'
    return this.#running.size > 0 ? 'running' : 'idle'
  }

  /** Finish what runs and take nothing new. */
  drain(): void {
    this.#drain.abort(new AppError('cancelled', 'The agent is finishing.'))
  }

  /** Give back what runs. */
  stop(): void {
    this.drain()
    this.#stop.abort(new AppError('cancelled', 'The agent was stopped.'))
  }

  /** Obeys what the coordinator says to the agent as a whole. */
  direct(directive: Directive): void {
    if (directive === this.#directive) return
    this.#directive = directive
    const { reporter } = this.#parts
    if (directive === 'run') reporter.event('info', 'The coordinator lets this agent go on.')
    else reporter.event('info', `The coordinator wants this agent to ${directive}.`)
    if (directive === 'stop') this.drain()
    this.#directed.abort()
    this.#directed = new AbortController()
  }

  /**
   * Works until it is drained, stopped, or has done what it was to do.
   * @throws {AppError} when the coordinator refuses the agent (`unauthorized`, …).
   */
  async run(): Promise<void> {
    try {
      while (!this.#drain.signal.aborted && (await this.#turn())) continue
    } catch (error) {
      if (!this.#drain.signal.aborted) throw error
    } finally {
      await Promise.all(this.#running)
    }
  }

  /** One claim, or the wait for a reason to make one; false when there is nothing more to do. */
  async #turn(): Promise<boolean> {
    const { slots, once, exitWhenIdle } = this.#options
    const free = slots - this.#running.size
    if (free <= 0) {
      await this.#raceDrain(Promise.race(this.#running))
      return true
    }
    if (this.#directive !== 'run') {
      if (exitWhenIdle) return false
      await this.#raceDrain(new Promise<void>((resolve) => this.#onDirected(resolve)))
      return true
    }
    const jobs = await this.#claim(once ? 1 : free)
    for (const job of jobs) this.#begin(job)
    if (jobs.length > 0) return !once
    if (exitWhenIdle) {
      if (this.#running.size === 0) return false
      await this.#raceDrain(Promise.race(this.#running))
    }
    return true
  }

  async #claim(maxJobs: number): Promise<ClaimedJob[]> {
    const { workerId, contentTypes, waitSeconds, exitWhenIdle } = this.#options
    const { client, contact, reporter } = this.#parts
    const { signal } = this.#drain
    const request = {
      workerId,
      contentTypes: [...contentTypes],
      maxJobs,
      waitSeconds: exitWhenIdle ? 0 : waitSeconds,
      claimId: randomUUID(),
    }
    if (this.#running.size === 0) reporter.idle('waiting for work')
    const from = performance.now()
    const { jobs, retryAfterSeconds } = await client
      .claim(request, { signal, retries: Infinity, onRetry: (error) => contact.note(error) })
      .catch(async (error: unknown) => {
        if (signal.aborted) await this.#giveBackUnseen(request)
        throw error
      })
    contact.note(null)
    if (jobs.length === 0 && !exitWhenIdle) {
      const tooSoon = Math.max(0, LEAST_PAUSE_MS - (performance.now() - from))
      await pause(Math.max(retryAfterSeconds * 1000, tooSoon), signal)
    }
    return jobs
  }

  /** An answer may have been on its way when the claim was dropped. Asking once more tells, and spares it its lease. */
  async #giveBackUnseen(request: ClaimRequest): Promise<void> {
    const { client } = this.#parts
    const options = { signal: AbortSignal.timeout(UNSEEN_MS), retries: 0 }
    const unseen = client
      .claim({ ...request, waitSeconds: 0 }, options)
      .then(({ jobs }) =>
        Promise.all(
          jobs.map(({ jobId, leaseToken }) => client.release(jobId, leaseToken, options)),
        ),
      )
    // Best effort: a coordinator that is away takes the job back by itself.
    await unseen.catch(() => undefined)
  }

  #begin(job: ClaimedJob): void {
    const work = runJob({ ...this.#parts, stop: this.#stop.signal }, job).finally(() =>
      this.#running.delete(work),
    )
    this.#running.add(work)
  }

  #onDirected(tell: () => void): void {
    this.#directed.signal.addEventListener('abort', () => tell(), { once: true })
  }

  /** Waits for something, or until the agent is drained. */
  async #raceDrain(event: Promise<unknown>): Promise<void> {
    const { signal } = this.#drain
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
      void event.finally(done)
    })
  }
}
