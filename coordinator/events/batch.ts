import { startTimer } from '../../shared/timers.ts'

/** Collects keys and flushes them together, at most once per `everyMs`. */
export class Batch {
  readonly #everyMs: number
  readonly #flush: (keys: string[]) => void
  readonly #now: () => number
  readonly #keys = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #lastAt = -Infinity
  #closed = false

  /** @param now a monotonic clock, in milliseconds. */
  constructor(everyMs: number, now: () => number, flush: (keys: string[]) => void) {
    this.#everyMs = everyMs
    this.#now = now
    this.#flush = flush
  }

  add(key: string): void {
    if (this.#closed) return
    this.#keys.add(key)
    if (this.#timer !== null) return
    const wait = Math.max(0, this.#lastAt + this.#everyMs - this.#now())
    this.#timer = startTimer(() => this.#run(), wait).unref()
  }

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
    if (keys.length > 0) this.#flush(keys)
  }
}
