import type { Logger } from 'pino'
import { SECOND } from '../shared/duration.ts'
import { startInterval } from '../shared/timers.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import type { Peers, TurnName } from './storage/peers.ts'

export interface Chore {
  /** As in the log: "the retention failed". */
  name: string
  everyMs: number
  /** Done by one of all coordinators over the same jobs, each time. */
  turn?: TurnName
  /** @param signal aborted when the coordinator stops. */
  run: (signal: AbortSignal) => Promise<unknown>
}

export interface ChoreRunnerOptions {
  /** A monotonic clock, in milliseconds. */
  steady?: () => number
  /** Asked before each pass; false stops the chores. */
  mayGoOn?: () => boolean
  /** The other coordinators; null: there are none. */
  peers?: Peers | null
}

const PASS_MS = SECOND

/** Runs chores periodically and independently, never one twice at once. Logs each cause of failure once. */
export class ChoreRunner {
  readonly #chores: readonly Chore[]
  readonly #log: Logger
  readonly #steady: () => number
  readonly #mayGoOn: () => boolean
  readonly #peers: Peers | null
  readonly #dueAt = new Map<Chore, number>()
  readonly #failing = new Map<Chore, string>()
  readonly #running = new Map<Chore, Promise<void>>()
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | null = null

  constructor(chores: readonly Chore[], log: Logger, options: ChoreRunnerOptions = {}) {
    this.#chores = chores
    this.#log = log
    this.#steady = options.steady ?? (() => performance.now())
    this.#mayGoOn = options.mayGoOn ?? (() => true)
    this.#peers = options.peers ?? null
  }

  start(): void {
    this.#timer = startInterval(() => void this.pass(), PASS_MS).unref()
  }

  /** Starts nothing more, and waits for running chores. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#stopping.abort()
    await Promise.all(this.#running.values())
  }

  async pass(): Promise<void> {
    if (!this.#mayGoOn()) this.#stopping.abort()
    if (this.#stopping.signal.aborted) return
    const now = this.#steady()
    const due = this.#chores.filter(
      (chore) => !this.#running.has(chore) && now >= (this.#dueAt.get(chore) ?? -Infinity),
    )
    await Promise.all(
      due.map(async (chore) => {
        this.#dueAt.set(chore, now + chore.everyMs)
        const run = this.#run(chore).finally(() => this.#running.delete(chore))
        this.#running.set(chore, run)
        await run
      }),
    )
  }

  async #run(chore: Chore): Promise<void> {
    try {
      const { turn, everyMs } = chore
      const isOurs = !turn || this.#peers === null || (await this.#peers.turn(turn, everyMs))
      if (isOurs) await chore.run(this.#stopping.signal)
      if (this.#failing.delete(chore)) this.#log.info(`the ${chore.name} works again`)
    } catch (error) {
      this.#failed(chore, error)
    }
  }

  #failed(chore: Chore, error: unknown): void {
    const cause = causeOf(error)
    if (this.#failing.get(chore) === cause) return
    this.#failing.set(chore, cause)
    const text = `the ${chore.name} failed; retrying`
    if (error instanceof AppError) this.#log.warn({ code: error.code }, `${text}: ${error.message}`)
    else this.#log.error({ err: error }, text)
  }
}

/** Without details of one job or file. */
function causeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : messageOf(error)
}
