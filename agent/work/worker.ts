import { randomUUID } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { ClaimedJob, Directive } from '../../shared/wire.ts'
import { dictatedMs, pause } from '../../shared/timers.ts'
import type { Capacity, Place } from './capacity.ts'
import { claim } from '../client/claim.ts'
import { ClaimPolicy, type Ask } from './claim-policy.ts'
import type { Contact } from '../client/contact.ts'
import { giveBack, runJob, type JobRunnerParts } from './job-runner.ts'
import type { Stage } from '../progress/progress.ts'

export interface WorkerOptions {
  workerId: string
  contentTypes: readonly string[]
  waitSeconds: number
  exitWhenIdle: boolean
}

export interface WorkerParts extends Omit<JobRunnerParts, 'leave' | 'onStage'> {
  capacity: Capacity
  onBegin?: () => void
  contact: Contact
}

/** Between two requests, where the coordinator answers a long poll at once with nothing. */
const LEAST_PAUSE_MS = 1_000

/** A job that has begun. Aborting `leave` gives it back. */
interface Held {
  place: Place
  leave: AbortController
}

/** The loop at one coordinator: claims while there is room, and runs each job on its own, until it is told to stop. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #parts: WorkerParts
  readonly #policy: ClaimPolicy
  readonly #held = new Set<Held>()
  /** Jobs that run or are being given back: the loop ends after them. */
  readonly #running = new Set<Promise<void>>()
  /** Aborted when nothing new is to be claimed. */
  readonly #drain = new AbortController()
  /** The coordinator's; while it is `drain` the agent idles. */
  #directive: Directive = 'run'
  #onDirected = (): void => undefined

  constructor(options: WorkerOptions, parts: WorkerParts) {
    this.#options = options
    this.#parts = parts
    this.#policy = new ClaimPolicy(options, parts.capacity, parts.contact)
  }

  get isBusy(): boolean {
    return this.#running.size > 0
  }

  get state(): 'idle' | 'running' | 'draining' {
    if (this.#drain.signal.aborted || this.#directive !== 'run') return 'draining'
    return this.isBusy ? 'running' : 'idle'
  }

  /** Takes nothing new, and finishes all jobs that have begun. */
  finish(): void {
    this.#drain.abort(new AppError('cancelled', 'The agent is finishing.'))
  }

  /** Takes nothing new, finishes what runs or can run at once, and gives back what would wait for a slot. */
  drain(): void {
    this.finish()
    const { capacity } = this.#parts
    const reason = new AppError('cancelled', 'The agent is finishing.')
    for (const { place, leave } of this.#held) if (capacity.isSurplus(place)) leave.abort(reason)
  }

  stop(): void {
    this.finish()
    const reason = new AppError('cancelled', 'The agent was stopped.')
    for (const { leave } of this.#held) leave.abort(reason)
  }

  direct(directive: Directive): void {
    if (directive === this.#directive) return
    this.#directive = directive
    const { reporter } = this.#parts
    if (directive === 'run') reporter.event('info', 'The coordinator lets this agent continue.')
    else reporter.event('info', `The coordinator tells this agent to ${directive}.`)
    if (directive === 'stop') this.drain()
    this.#onDirected()
  }

  /**
   * Works until it is drained or stopped, its jobs are used up, or, with `exitWhenIdle`, there is no more work.
   * @throws {AppError} when the coordinator refuses the agent (`unauthorized`, …).
   */
  async run(): Promise<void> {
    try {
      // Jobs with requirements go only to workers whose capabilities are known.
      await this.#raceDrain(this.#parts.heartbeat.announced)
      while (!this.#drain.signal.aborted && (await this.#turn())) continue
    } catch (error) {
      if (!this.#drain.signal.aborted) throw error
    } finally {
      await Promise.all(this.#running)
    }
  }

  /** Asks for work, or waits for a reason to; false when there is nothing more to do. */
  async #turn(): Promise<boolean> {
    const { exitWhenIdle } = this.#options
    if (this.#parts.capacity.isSpent) return false
    if (this.#directive !== 'run') {
      if (exitWhenIdle) return false
      await this.#raceDrain(new Promise<void>((resolve) => (this.#onDirected = resolve)))
      return true
    }
    const found = await this.#policy.next(this.#drain.signal, (ask) => this.#take(ask))
    if (found === 0 && exitWhenIdle) {
      if (!this.isBusy) return false
      await this.#raceDrain(Promise.race(this.#running))
    }
    return true
  }

  /** Claims jobs and begins them; how many there were, or null when that is not known. */
  async #take(ask: Ask): Promise<number | null> {
    if (this.#directive !== 'run') return null
    const { capacity } = this.#parts
    const jobs = await this.#claim(ask)
    for (const job of jobs ?? []) {
      // Meanwhile this agent may have been told to stop, or another coordinator may have filled the room.
      const isWelcome = !this.#drain.signal.aborted && capacity.room() !== null
      this.#keep(isWelcome ? this.#begin(job) : giveBack(this.#parts, job))
    }
    return jobs?.length ?? null
  }

  async #claim({ room, waitSeconds, retries }: Ask): Promise<ClaimedJob[] | null> {
    const { workerId, contentTypes, exitWhenIdle } = this.#options
    const { client, contact, reporter, capacity } = this.#parts
    const request = {
      workerId,
      contentTypes: [...contentTypes],
      maxJobs: room.jobs,
      waitSeconds,
      prefetch: room.prefetch,
      claimId: randomUUID(),
    }
    if (capacity.running === 0) reporter.idle('waiting for work')
    const from = performance.now()
    const watch = capacity.watch(room)
    // A long poll for another kind of room than there is by now is dropped, and asked anew.
    const signals = retries > 0 ? [this.#drain.signal, watch.signal] : [this.#drain.signal]
    const signal = AbortSignal.any(signals)
    const onFailure = (error: unknown): void => contact.note('claim', error)
    const answer = await claim(client, request, { signal, retries, onFailure }).finally(watch.end)
    // A request that we dropped says nothing about the coordinator.
    if (answer !== null || signal.aborted) contact.note('claim', null)
    if (answer === null) return null
    const { jobs, retryAfterSeconds } = answer
    if (jobs.length === 0 && retries > 0 && !exitWhenIdle && !signal.aborted) {
      const leastMs = Math.max(0, LEAST_PAUSE_MS - (performance.now() - from))
      await pause(dictatedMs(retryAfterSeconds, leastMs), this.#drain.signal)
    }
    return jobs
  }

  async #begin(job: ClaimedJob): Promise<void> {
    const { capacity, onBegin } = this.#parts
    const held = { place: capacity.begin(), leave: new AbortController() }
    this.#held.add(held)
    onBegin?.()
    const onStage = (stage: Stage): void => void (held.place.stage = stage)
    try {
      await runJob({ ...this.#parts, leave: held.leave.signal, onStage }, job)
    } finally {
      this.#held.delete(held)
      capacity.end(held.place)
    }
  }

  #keep(work: Promise<void>): void {
    const kept = work.finally(() => this.#running.delete(kept))
    this.#running.add(kept)
  }

  async #raceDrain(event: Promise<unknown>): Promise<void> {
    const { signal } = this.#drain
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
      void event.catch(() => undefined).finally(done)
    })
  }
}
