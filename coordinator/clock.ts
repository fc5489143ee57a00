/** A clock that is put right by less is not worth a word. */
const LEAST_STEP_MS = 1_000

/**
 * The time of day, and by how much somebody has set it: a time server after a start without one, an operator, or the
 * machine having slept. What goes by the time of day is told of it before anybody sees the new time.
 */
export class Clock {
  readonly #timeOfDay: () => number
  readonly #steady: () => number
  readonly #listeners: ((ms: number) => void)[] = []
  #offset: number

  /** @param steady milliseconds that only ever pass. */
  constructor(timeOfDay = (): number => Date.now(), steady = (): number => performance.now()) {
    this.#timeOfDay = timeOfDay
    this.#steady = steady
    this.#offset = timeOfDay() - steady()
  }

  readonly now = (): number => {
    const now = this.#timeOfDay()
    const offset = now - this.#steady()
    const stepMs = Math.round(offset - this.#offset)
    if (Math.abs(stepMs) >= LEAST_STEP_MS) {
      this.#offset = offset
      for (const listener of this.#listeners) listener(stepMs)
    }
    return now
  }

  /** Calls back with the milliseconds by which the clock was set ahead, or back where they are negative. */
  onStep(listener: (ms: number) => void): void {
    this.#listeners.push(listener)
  }
}
