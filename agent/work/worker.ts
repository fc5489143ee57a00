import { randomUUID } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { ClaimedJob, Directive } from '../../shared/wire.ts'
import { dictatedMs } from '../../shared/timers.ts'
import type { Capacity, Place, Room } from './capacity.ts'
import { claim } from '../client/claim.ts'
import type { Contact } from '../client/contact.ts'
import { giveBack, runJob, type JobRunnerParts } from './job-runner.ts'
import type { Stage } from '../progress/progress.ts'
import { pause } from '../client/retry.ts'

export interface WorkerOptions {
  workerId: string
  contentTypes: readonly string[]
  /** How long one request waits for work. */
  waitSeconds: number
  exitWhenIdle: boolean
}

export interface WorkerParts extends Omit<JobRunnerParts, 'leave' | 'onStage'> {
  /** Shared with the workers of this agent's other coordinators. */
  capacity: Capacity
  /** Called when a job is begun. */
  onBegin?: () => void
  contact: Contact
}

/** An empty answer that came at once is not believed to come at once again. */
const LEAST_PAUSE_MS = 1_000

/** A job that is here. Aborting `leave` gives it back. */
interface Held {
  place: Place
  leave: AbortController
}

/** The loop at one coordinator: claims while there is room, each job on its own, until it is told to stop. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #parts: WorkerParts
  readonly #held = new Set<Held>()
  /** What is to come to its end before the loop does: jobs that are done, or given back. */
  readonly #running = new Set<Promise<void>>()
  /** Aborted when nothing new is to be claimed. */
  readonly #drain = new AbortController()
  /** What the coordinator wants; while it says `drain` the agent idles. */
  #directive: Directive = 'run'
  #onDirected = (): void => undefined

  constructor(options: WorkerOptions, parts: WorkerParts) {
    this.#options = options
    this.#parts = parts
  }

  get isBusy(): boolean {
    return this.#running.size > 0
  }

  get state(): 'idle' | 'running' | 'draining' {
    if (this.#drain.signal.aborted || this.#directive !== 'run') return 'draining'
    return this.isBusy ? 'running' : 'idle'
  }

  /** Take nothing new; finish what is here, also what waits for a slot. */
  finish(): void {
    this.#drain.abort(new AppError('cancelled', 'The agent is finishing.'))
  }

  /** Take nothing new; finish what runs or can run at once, and give back what would wait for a slot. */
  drain(): void {
    this.finish()
    const { capacity } = this.#parts
    const reason = new AppError('cancelled', 'The agent is finishing.')
    for (const { place, leave } of this.#held) if (capacity.isSurplus(place)) leave.abort(reason)
  }

  /** Give back all that is here. */
  stop(): void {
    this.finish()
    const reason = new AppError('cancelled', 'The agent was stopped.')
    for (const { leave } of this.#held) leave.abort(reason)
  }

  /** Obeys what the coordinator says to the agent as a whole. */
  direct(directive: Directive): void {
    if (directive === this.#directive) return
    this.#directive = directive
    const { reporter } = this.#parts
    if (directive === 'run') reporter.event('info', 'The coordinator lets this agent go on.')
    else reporter.event('info', `The coordinator wants this agent to ${directive}.`)
    if (directive === 'stop') this.drain()
    this.#onDirected()
  }

  /**
   * Works until it is drained, stopped, or has done what it was to do.
   * @throws {AppError} when the coordinator refuses the agent (`unauthorized`, …).
   */
  async run(): Promise<void> {
    try {
      // What needs more than every agent has is handed only to those who have said what they can do.
      await this.#raceDrain(this.#parts.heartbeat.announced)
      while (!this.#drain.signal.aborted && (await this.#turn())) continue
    } catch (error) {
      if (!this.#drain.signal.aborted) throw error
    } finally {
      await Promise.all(this.#running)
    }
  }

  /** One look for work, or the wait for a reason to look; false when there is nothing more to do. */
  async #turn(): Promise<boolean> {
    const { exitWhenIdle, waitSeconds } = this.#options
    const { capacity, contact } = this.#parts
    if (capacity.isSpent) return false
    if (this.#directive !== 'run') {
      if (exitWhenIdle) return false
      await this.#raceDrain(new Promise<void>((resolve) => (this.#onDirected = resolve)))
      return true
    }
    const { signal } = this.#drain
    let found: number | null = null
    // Where there is work it is shared out in turns; who has none, or does not answer, waits outside of them.
    if (capacity.sharers > 1 && !contact.isAway) {
      found = await capacity.inTurn(signal, () => this.#take(0, 0))
    }
    if (found === null || (found === 0 && !exitWhenIdle)) {
      if (!(await capacity.whenRoom(signal))) return true
      found = await this.#take(exitWhenIdle ? 0 : waitSeconds, Infinity)
    }
    if (found === 0 && exitWhenIdle) {
      if (!this.isBusy) return false
      await this.#raceDrain(Promise.race(this.#running))
    }
    return true
  }

  /** Claims what there is room for and begins it; how many jobs there were, or null when that is not known. */
  async #take(waitSeconds: number, retries: number): Promise<number | null> {
    const { capacity } = this.#parts
    const room = capacity.room()
    if (room === null || this.#directive !== 'run') return null
    const jobs = await this.#claim(room, waitSeconds, retries)
    for (const job of jobs ?? []) {
      // Meanwhile this agent may have been told to leave, or another coordinator have filled the room.
      const isWelcome = !this.#drain.signal.aborted && capacity.room() !== null
      this.#keep(isWelcome ? this.#begin(job) : giveBack(this.#parts, job))
    }
    return jobs?.length ?? null
  }

  async #claim(room: Room, waitSeconds: number, retries: number): Promise<ClaimedJob[] | null> {
    const { workerId, contentTypes, exitWhenIdle } = this.#options
    const { client, contact, reporter, capacity } = this.#parts
    const request = {
      workerId,
      contentTypes: [...contentTypes],
      maxJobs: capacity.sharers > 1 ? 1 : room.jobs,
      waitSeconds,
      prefetch: room.prefetch,
      claimId: randomUUID(),
    }
    if (capacity.running === 0) reporter.idle('waiting for work')
    const from = performance.now()
    const watch = capacity.watch(room)
    // Whoever waits with another wish than it has by now asks anew.
    const signals = retries > 0 ? [this.#drain.signal, watch.signal] : [this.#drain.signal]
    const signal = AbortSignal.any(signals)
    const onFailure = (error: unknown): void => contact.note('claim', error)
    const answer = await claim(client, request, { signal, retries, onFailure }).finally(watch.end)
    // What is asked no more is no sign of a coordinator that is away.
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

  /** Waits for something, or until the agent is drained. */
  async #raceDrain(event: Promise<unknown>): Promise<void> {
    const { signal } = this.#drain
    if (signal.aborted) return
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
