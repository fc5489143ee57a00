import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { Principal } from './principal.ts'

/** A name is free again when its worker was silent for so long. */
const HELD_MS = 120 * SECOND
/** One token may be that of many machines. Whoever makes names up leaves room for those of others. */
const OF_TOKEN = 1_000
/** What is free anyway is thrown out when there are so many. */
const MANY = 10_000

/** Which token goes by which worker's name: while one does, no other may, or it would speak for a stranger. */
export class WorkerNames {
  readonly #holders = new Map<string, { principal: Principal; lastAt: number }>()
  readonly #now: () => number
  readonly #isGood: (principal: Principal) => boolean

  /** @param isGood whether somebody would still be let in: a token that is revoked holds no name. */
  constructor(now: () => number, isGood: (principal: Principal) => boolean) {
    this.#now = now
    this.#isGood = isGood
  }

  /**
   * Notes that a name is used. Who may do everything may use every name.
   * @throws {AppError} `worker_id_taken` while another token goes by it: it may be that of the same machine, before it got
   * a new one, so that it is worth to come again. `too_many_requests` when the token goes by very many.
   */
  use(principal: Principal, workerId: string): void {
    if (principal.tokenId === null) return
    const now = this.#now()
    const holder = this.#holders.get(workerId)
    if (
      holder !== undefined &&
      holder.principal.tokenId !== principal.tokenId &&
      isHeld(holder.lastAt, now) &&
      this.#isGood(holder.principal)
    ) {
      const retryAfterSeconds = Math.ceil((holder.lastAt + HELD_MS - now) / SECOND)
      const message = `Another token goes by the worker id ${printable(workerId)}: take another --worker-id, or wait until it is free.`
      throw new AppError('worker_id_taken', message, { retryAfterSeconds })
    }
    if (holder?.principal.tokenId !== principal.tokenId) this.#checkCount(principal, now)
    if (this.#holders.size >= MANY) this.#forgetFree(now)
    this.#holders.set(workerId, { principal, lastAt: now })
  }

  #checkCount({ tokenId, name }: Principal, now: number): void {
    let count = 0
    for (const { principal, lastAt } of this.#holders.values())
      if (principal.tokenId === tokenId && isHeld(lastAt, now)) count += 1
    if (count < OF_TOKEN) return
    const message = `The token ${name} goes by ${count} worker ids, which is the limit: give each agent one id of its own.`
    throw new AppError('too_many_requests', message)
  }

  #forgetFree(now: number): void {
    for (const [workerId, { lastAt }] of this.#holders) {
      if (!isHeld(lastAt, now)) this.#holders.delete(workerId)
    }
  }
}

/** A clock that was set back must not make it longer. */
function isHeld(lastAt: number, now: number): boolean {
  return lastAt <= now && now < lastAt + HELD_MS
}
