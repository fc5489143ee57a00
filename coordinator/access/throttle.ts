import { MINUTE } from '../../shared/duration.ts'
import { networkOf } from '../../shared/addresses.ts'

/** Wrong tokens per window, after which an address waits for the window's end. */
const MAX_FAILURES = 10
const WINDOW_MS = MINUTE
const MAX_ADDRESSES = 10_000

/** Slows guessing of tokens, by address; for IPv6 by /64 network, which one host may own. */
export class Throttle {
  readonly #windows = new Map<string, { beganAt: number; failures: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** How long an address has to wait before its next try. */
  waitMs(address: string): number {
    if (this.#windows.size === 0) return 0
    const window = this.#windowOf(address)
    if (window === undefined || window.failures < MAX_FAILURES) return 0
    return window.beganAt + WINDOW_MS - this.#now()
  }

  /** Counts a failure. @returns whether it reaches the limit. */
  failed(address: string): boolean {
    const window = this.#windowOf(address)
    if (window !== undefined) {
      window.failures += 1
      return window.failures === MAX_FAILURES
    }
    const oldest = this.#windows.keys().next()
    if (this.#windows.size >= MAX_ADDRESSES && oldest.done !== true)
      this.#windows.delete(oldest.value)
    this.#windows.set(networkOf(address), { beganAt: this.#now(), failures: 1 })
    return false
  }

  #windowOf(address: string): { beganAt: number; failures: number } | undefined {
    const network = networkOf(address)
    const window = this.#windows.get(network)
    const now = this.#now()
    // A clock set back must not prolong the wait.
    if (window !== undefined && (window.beganAt > now || window.beganAt + WINDOW_MS <= now)) {
      this.#windows.delete(network)
      return undefined
    }
    return window
  }
}
