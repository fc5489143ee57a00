import { EventEmitter, once } from 'node:events'
import { whileQuiet } from '../../progress/expected-silence.ts'

export interface Turn {
  /** Whether no other request has been at the server since this one began. */
  readonly isAlone: boolean
  leave(): void
}

/** Requests answered before one more is tried at once, after the server had too much to do. */
const SERVED_PER_STEP = 10

/** How many requests are at a server at once: fewer after it had too much to do, more again while it answers. */
export class Load {
  readonly #most: number
  readonly #left = new EventEmitter().setMaxListeners(0)
  #limit: number
  #inside = 0
  #entered = 0

  constructor(most: number) {
    this.#most = most
    this.#limit = most
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** Waits for a turn. @throws the signal's reason when aborted. */
  async enter(signal: AbortSignal): Promise<Turn> {
    while (this.#inside >= this.limit) await this.#wait(signal)
    signal.throwIfAborted()
    this.#inside += 1
    const wasAlone = this.#inside === 1
    const entered = ++this.#entered
    const isLast = (): boolean => this.#entered === entered
    return {
      get isAlone() {
        return wasAlone && isLast()
      },
      leave: () => {
        this.#inside -= 1
        this.#left.emit('left')
      },
    }
  }

  /** The server answered. */
  served(): void {
    this.#limit = Math.min(this.#most, this.#limit + 1 / SERVED_PER_STEP)
  }

  /** The server had too much to do. */
  refused(): void {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2))
  }

  async #wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    try {
      await whileQuiet(once(this.#left, 'left', { signal }))
    } catch (error) {
      signal.throwIfAborted()
      throw error
    }
  }
}
