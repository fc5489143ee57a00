import { timeOfDay } from '../shared/time-of-day.ts'
import { startInterval } from '../shared/timers.ts'

/** A clock that is put right by less is not worth a word. */
const LEAST_STEP_MS = 1_000
/** How often the time is looked at where nobody asks for it. */
const TICK_MS = 250
/** So much too late is no busy machine any more. */
const LEAST_STANDSTILL_MS = 1_000

type Listener = (ms: number) => void

/**
 * The time of day, by how much somebody has set it (a time server after a start without one, an operator, or the machine
 * having slept), and for how long nothing ran here (a paused machine or container, a stopped process, an event loop that
 * was held up): what others sent meanwhile is not read yet. What goes by the time of day is told of both before anybody
 * sees the new time.
 */
export class Clock {
  readonly #timeOfDay: () => number
  readonly #steady: () => number
  readonly #stepListeners: Listener[] = []
  readonly #standstillListeners: Listener[] = []
  #offset: number
  /** When the time was last looked at, by the steady clock; null: nobody looks at it regularly. */
  #lookedAt: number | null = null

  /** @param steady milliseconds that only ever pass. */
  constructor(wall = timeOfDay, steady = (): number => performance.now()) {
    this.#timeOfDay = wall
    this.#steady = steady
    this.#offset = wall() - steady()
  }

  readonly now = (): number => {
    const [now, steady] = [this.#timeOfDay(), this.#steady()]
    const stepMs = Math.round(now - steady - this.#offset)
    const stoodStillMs = this.#lookedAt === null ? 0 : steady - this.#lookedAt - TICK_MS
    if (this.#lookedAt !== null) this.#lookedAt = steady
    if (Math.abs(stepMs) >= LEAST_STEP_MS) {
      this.#offset = now - steady
      for (const listener of this.#stepListeners) listener(stepMs)
    }
    if (stoodStillMs >= LEAST_STANDSTILL_MS)
      for (const listener of this.#standstillListeners) listener(Math.round(stoodStillMs))
    return now
  }

  /** Calls back with the milliseconds by which the clock was set ahead, or back where they are negative. */
  onStep(listener: Listener): void {
    this.#stepListeners.push(listener)
  }

  /** Calls back with the milliseconds in which nothing ran here; while {@link watch} looks. */
  onStandstill(listener: Listener): void {
    this.#standstillListeners.push(listener)
  }

  /** Looks at the time again and again, until the function that is returned is called. */
  watch(): () => void {
    this.#lookedAt = this.#steady()
    const timer = startInterval(this.now, TICK_MS).unref()
    return () => {
      clearInterval(timer)
      this.#lookedAt = null
    }
  }
}
