import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../shared/errors.ts'
import type { Directive, HeartbeatRequest, Order } from '../shared/wire.ts'
import type { Client } from './client.ts'
import type { Progress } from './progress.ts'

/** News is told after this, so that several in a row make one request. */
const DEBOUNCE_MS = 250
/** So much progress is news: whoever watches a short job wants to see it move. */
const NEWS_RATIO = 0.1

export interface HeartbeatOptions {
  client: Pick<Client, 'heartbeat'>
  workerId: string
  version: string
  slots: number
  device: string | null
  state: () => HeartbeatRequest['state']
  onDirective: (directive: Directive) => void
  /** Every answer and every failure, for whoever watches whether the coordinator is there. */
  onContact?: (error: unknown) => void
  /** Between 0 and 1. */
  random?: () => number
  /** Ends early, without an error, when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** One attempt that the heartbeat keeps alive. */
export interface Tracked {
  update: (progress: Progress) => void
  stop: () => void
}

interface Job {
  leaseToken: string
  controller: AbortController
  progress: Progress
  /** The ratio that the coordinator knows of. */
  toldRatio: number
}

/**
 * One request for all attempts of this agent: renews their leases, carries their progress, brings orders back. A
 * heartbeat that fails stops no work: only an order does.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #jobs = new Map<string, Job>()
  readonly #closed = new AbortController()
  #everySeconds = 20
  #sooner = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    this.#sooner.abort()
    await this.#loop
  }

  /** Keeps an attempt alive; an order to stop it aborts `controller`, with the order as an AppError. */
  track(
    job: { jobId: string; leaseToken: string; heartbeatSeconds: number },
    controller: AbortController,
  ): Tracked {
    const { jobId, leaseToken, heartbeatSeconds } = job
    const mine: Job = {
      leaseToken,
      controller,
      progress: { stage: 'downloading', ratio: 0 },
      toldRatio: 0,
    }
    this.#jobs.set(jobId, mine)
    if (heartbeatSeconds < this.#everySeconds) {
      this.#everySeconds = heartbeatSeconds
      this.#sooner.abort()
    }
    return {
      update: (progress) => {
        const staged = progress.stage !== mine.progress.stage
        // What was known of the recording stays known.
        mine.progress = { ...mine.progress, ...progress }
        if (staged || progress.ratio - mine.toldRatio >= NEWS_RATIO) this.#sooner.abort()
      },
      stop: () => {
        if (this.#jobs.get(jobId) === mine) this.#jobs.delete(jobId)
      },
    }
  }

  async #run(): Promise<void> {
    const { wait = waitFor, random = Math.random } = this.#options
    while (!this.#closed.signal.aborted) {
      await this.#beat()
      const jitter = 0.9 + 0.2 * random()
      await wait(this.#everySeconds * 1000 * jitter, this.#sooner.signal)
      if (!this.#sooner.signal.aborted) continue
      await wait(DEBOUNCE_MS, this.#closed.signal)
      this.#sooner = new AbortController()
    }
  }

  async #beat(): Promise<void> {
    const { client, workerId, version, slots, device, state, onDirective, onContact } =
      this.#options
    const sent = new Map(this.#jobs)
    for (const job of sent.values()) job.toldRatio = job.progress.ratio
    const jobs = [...sent].map(([jobId, { leaseToken, progress }]) => ({
      jobId,
      leaseToken,
      stage: progress.stage,
      progress: Math.min(1, Math.max(0, progress.ratio)),
      mediaSeconds: progress.mediaSeconds ?? null,
      processedSeconds: progress.processedSeconds ?? null,
    }))
    try {
      const body = { state: state(), version, slots, device, jobs }
      const answer = await client.heartbeat(workerId, body, {
        signal: this.#closed.signal,
        retries: 2,
      })
      this.#everySeconds = Math.max(0.05, answer.heartbeatSeconds)
      for (const { jobId, order } of answer.jobs) this.#obey(jobId, sent.get(jobId), order)
      onContact?.(null)
      onDirective(answer.directive)
    } catch (error) {
      if (!this.#closed.signal.aborted) onContact?.(error)
    }
  }

  #obey(jobId: string, job: Job | undefined, order: Order): void {
    if (job === undefined || order === 'continue') return
    if (this.#jobs.get(jobId) === job) this.#jobs.delete(jobId)
    job.controller.abort(ORDER_ERRORS[order](jobId))
  }
}

const ORDER_ERRORS: Record<Exclude<Order, 'continue'>, (jobId: string) => AppError> = {
  cancel: (id) => new AppError('cancelled', `Job ${id} was cancelled.`),
  superseded: (id) => new AppError('lease_lost', `Job ${id} was finished by another attempt.`),
  lost: (id) => new AppError('lease_lost', `Job ${id} was taken from this worker.`),
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
