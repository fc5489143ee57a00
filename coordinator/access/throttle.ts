import { MINUTE } from '../../shared/duration.ts'
import { networkOf } from '../../shared/addresses.ts'

/** So many wrong tokens in a window, and an address has to wait for the window's end. */
const MOST = 10
const WINDOW_MS = MINUTE
/** Of so many addresses it is known how often they failed; of more the one that began first is forgotten. */
const ADDRESSES = 10_000

/** Slows whoever tries tokens out, by address; an IPv6 one by its network of 64 bits, all of which one host has. */
export class Throttle {
  readonly #windows = new Map<string, { beganAt: number; failures: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** How long an address has to wait before its next try is looked at; 0: not at all. */
  waitMs(address: string): number {
    if (this.#windows.size === 0) return 0
    const window = this.#windowOf(address)
    if (window === undefined || window.failures < MOST) return 0
    return window.beganAt + WINDOW_MS - this.#now()
  }

  /** @returns whether this failure is the one that has slowed the address. */
  failed(address: string): boolean {
    const window = this.#windowOf(address)
    if (window !== undefined) {
      window.failures += 1
      return window.failures === MOST
    }
    const oldest = this.#windows.keys().next()
    if (this.#windows.size >= ADDRESSES && oldest.done !== true) this.#windows.delete(oldest.value)
    this.#windows.set(networkOf(address), { beganAt: this.#now(), failures: 1 })
    return false
  }

  #windowOf(address: string): { beganAt: number; failures: number } | undefined {
    const network = networkOf(address)
    const window = this.#windows.get(network)
    const now = this.#now()
    // A clock that was set back must not make the wait longer.
    if (window !== undefined && (window.beganAt > now || window.beganAt + WINDOW_MS <= now)) {
      this.#windows.delete(network)
      return undefined
    }
    return window
  }
}
