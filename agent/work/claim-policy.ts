import type { Contact } from '../client/contact.ts'
import type { Capacity, Room } from './capacity.ts'

export interface Ask {
  room: Room
  /** How long the coordinator may hold the request. */
  waitSeconds: number
  /** Tries after the first; may be Infinity. */
  retries: number
}

export interface ClaimPolicyOptions {
  waitSeconds: number
  exitWhenIdle: boolean
}

/**
 * When a worker asks, and for how much. A single coordinator is asked for all that there is room for. Of several, each is
 * asked for one job in turn while it has some, so that all get as much done; one that has none, or does not answer,
 * waits outside of the turns.
 */
export class ClaimPolicy {
  readonly #options: ClaimPolicyOptions
  readonly #capacity: Capacity
  readonly #contact: Pick<Contact, 'isAway'>

  constructor(options: ClaimPolicyOptions, capacity: Capacity, contact: Pick<Contact, 'isAway'>) {
    this.#options = options
    this.#capacity = capacity
    this.#contact = contact
  }

  /**
   * Asks as soon as there is room.
   * @param ask the number of jobs that came; null: not known.
   * @returns what `ask` returned last; null also when the signal was aborted before there was room.
   */
  async next(
    signal: AbortSignal,
    ask: (request: Ask) => Promise<number | null>,
  ): Promise<number | null> {
    const { waitSeconds, exitWhenIdle } = this.#options
    const { isShared } = this.#capacity
    if (isShared && !this.#contact.isAway) {
      const found = await this.#capacity.inTurn(signal, (room) =>
        ask({ room: oneJob(room), waitSeconds: 0, retries: 0 }),
      )
      if (found !== null && (found > 0 || exitWhenIdle)) return found
    }
    const room = await this.#capacity.whenRoom(signal)
    if (room === null) return null
    return await ask({
      room: isShared ? oneJob(room) : room,
      waitSeconds: exitWhenIdle ? 0 : waitSeconds,
      retries: Infinity,
    })
  }
}

function oneJob(room: Room): Room {
  return { ...room, jobs: 1 }
}
