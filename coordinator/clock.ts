import { timeOfDay } from '../shared/time-of-day.ts'
import { startInterval } from '../shared/timers.ts'

/** Smaller corrections are ignored. */
const LEAST_STEP_MS = 1_000
/** How often the time is checked when no caller reads it. */
const TICK_MS = 250
/** A busy machine delays a tick by less. */
const LEAST_STANDSTILL_MS = 1_000

type Listener = (ms: number) => void

/**
 * The time of day. Reports steps (NTP, an operator, suspend) and standstills (a paused machine or process, a blocked event
 * loop: requests of that time are not read yet) to its listeners before it returns the new time.
 */
export class Clock {
  readonly #timeOfDay: () => number
  readonly #steady: () => number
  readonly #stepListeners: Listener[] = []
  readonly #standstillListeners: Listener[] = []
  #offset: number
  /** The last check, by the steady clock; null while not watching. */
  #checkedAt: number | null = null

  /** @param steady a monotonic clock, in milliseconds. */
  constructor(wall = timeOfDay, steady = (): number => performance.now()) {
    this.#timeOfDay = wall
    this.#steady = steady
    this.#offset = wall() - steady()
  }

  readonly now = (): number => {
    const [now, steady] = [this.#timeOfDay(), this.#steady()]
    const stepMs = Math.round(now - steady - this.#offset)
    const stoodStillMs = this.#checkedAt === null ? 0 : steady - this.#checkedAt - TICK_MS
    if (this.#checkedAt !== null) this.#checkedAt = steady
    if (Math.abs(stepMs) >= LEAST_STEP_MS) {
      this.#offset = now - steady
      for (const listener of this.#stepListeners) listener(stepMs)
    }
    if (stoodStillMs >= LEAST_STANDSTILL_MS)
      for (const listener of this.#standstillListeners) listener(Math.round(stoodStillMs))
    return now
  }

  /** Calls back with the step in milliseconds; negative: back. */
  onStep(listener: Listener): void {
    this.#stepListeners.push(listener)
  }

  /** Calls back with the milliseconds in which the process stood still; only while {@link watch} runs. */
  onStandstill(listener: Listener): void {
    this.#standstillListeners.push(listener)
  }

  /** Checks the time regularly. @returns a function that stops it. */
  watch(): () => void {
    this.#checkedAt = this.#steady()
    const timer = startInterval(this.now, TICK_MS).unref()
    return () => {
      clearInterval(timer)
      this.#checkedAt = null
    }
  }
}
