import { MINUTE, SECOND } from '../../../shared/duration.ts'
import { startInterval } from '../../../shared/timers.ts'
import type { Database } from './database.ts'
import { NOW } from './statements.ts'

const SAMPLE_MS = 5 * SECOND

interface Sample {
  at: number
  /** The database's clock minus the steady one. */
  offset: number
  roundTripMs: number
}

/**
 * The database's clock, as far as round trips tell: so many coordinators agree, whatever their own clocks say. It goes back
 * only when the database's was set back by a second or more.
 */
export class DatabaseClock {
  readonly #ask: () => Promise<number>
  readonly #steady: () => number
  #samples: Sample[] = []
  #offset = 0
  #last = 0

  /** @param ask reads the database's clock. @param steady a monotonic clock; both in milliseconds. */
  constructor(ask: () => Promise<number>, steady = (): number => performance.now()) {
    this.#ask = ask
    this.#steady = steady
  }

  static of(database: Database): DatabaseClock {
    return new DatabaseClock(async () => (await database.one<{ now: number }>(NOW))!.now)
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => {
    const now = Math.round(this.#steady() + this.#offset)
    this.#last = now < this.#last && now > this.#last - SECOND ? this.#last : now
    return this.#last
  }

  /** Compares the clocks. The quickest answer of the last minute counts, unless the database's clock was set. */
  async compare(): Promise<void> {
    const from = this.#steady()
    const database = await this.#ask()
    const at = this.#steady()
    const sample = { at, offset: database - (from + at) / 2, roundTripMs: at - from }
    const isSet = Math.abs(sample.offset - this.#offset) > SECOND + sample.roundTripMs / 2
    const known = isSet ? [] : this.#samples.filter((one) => one.at > at - MINUTE)
    this.#samples = [...known, sample]
    const best = this.#samples.reduce((a, b) => (b.roundTripMs < a.roundTripMs ? b : a))
    this.#offset = best.offset
  }

  /** Compares regularly. @returns a function that stops it. */
  watch(): () => void {
    const timer = startInterval(() => void this.compare().catch(() => undefined), SAMPLE_MS).unref()
    return () => clearInterval(timer)
  }
}
