import type { Logger } from 'pino'
import { SECOND } from '../shared/duration.ts'
import { startTimer } from '../shared/timers.ts'
import { AppError, messageOf } from '../shared/errors.ts'

/** Something that is to be done again and again. */
export interface Chore {
  /** As the log has it: "the retention failed". */
  name: string
  everyMs: number
  run: () => Promise<unknown>
}

const PASS_MS = SECOND

/**
 * Does the chores that are due, in passes one after the other. One that fails keeps no other from its turn; the log says
 * so once for each cause, and once when it works again.
 */
export class Sweep {
  readonly #chores: readonly Chore[]
  readonly #log: Logger
  readonly #steady: () => number
  readonly #dueAt = new Map<Chore, number>()
  readonly #failing = new Map<Chore, string>()
  #timer: NodeJS.Timeout | null = null
  #passing: Promise<void> | null = null

  /** @param steady milliseconds that only ever pass, whoever sets the clock. */
  constructor(chores: readonly Chore[], log: Logger, steady = (): number => performance.now()) {
    this.#chores = chores
    this.#log = log
    this.#steady = steady
  }

  start(): void {
    const pass = async (): Promise<void> => {
      this.#passing = this.pass()
      await this.#passing
      this.#timer?.refresh()
    }
    this.#timer = startTimer(() => void pass(), PASS_MS).unref()
  }

  /** Begins no other pass, and waits for the one under way. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    await this.#passing
  }

  async pass(): Promise<void> {
    for (const chore of this.#chores) {
      const now = this.#steady()
      if (now < (this.#dueAt.get(chore) ?? -Infinity)) continue
      this.#dueAt.set(chore, now + chore.everyMs)
      try {
        await chore.run()
        this.#worked(chore)
      } catch (error) {
        this.#failed(chore, error)
      }
    }
  }

  #worked(chore: Chore): void {
    if (this.#failing.delete(chore)) this.#log.info(`the ${chore.name} works again`)
  }

  #failed(chore: Chore, error: unknown): void {
    const cause = causeOf(error)
    if (this.#failing.get(chore) === cause) return
    this.#failing.set(chore, cause)
    const text = `the ${chore.name} failed, and is tried again until it works`
    if (error instanceof AppError) this.#log.warn({ code: error.code }, `${text}: ${error.message}`)
    else this.#log.error({ err: error }, text)
  }
}

/** Without what differs from one job or file to the next. */
function causeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : messageOf(error)
}
