import { startTimer } from '../../shared/timers.ts'

/** Gathers keys and hands them on together: soon after a quiet time, else not sooner than a while after the last. */
export class Batch {
  readonly #everyMs: number
  readonly #handOn: (keys: string[]) => void
  readonly #now: () => number
  readonly #keys = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #lastAt = -Infinity
  #closed = false

  /** @param now milliseconds of a clock that never goes back. */
  constructor(everyMs: number, now: () => number, handOn: (keys: string[]) => void) {
    this.#everyMs = everyMs
    this.#now = now
    this.#handOn = handOn
  }

  add(key: string): void {
    if (this.#closed) return
    this.#keys.add(key)
    const wait = Math.max(0, this.#lastAt + this.#everyMs - this.#now())
    this.#timer ??= startTimer(() => this.#run(), wait).unref()
  }

  /** It has been told otherwise. */
  delete(key: string): void {
    this.#keys.delete(key)
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #run(): void {
    this.#timer = null
    this.#lastAt = this.#now()
    const keys = [...this.#keys]
    this.#keys.clear()
    if (keys.length > 0) this.#handOn(keys)
  }
}
