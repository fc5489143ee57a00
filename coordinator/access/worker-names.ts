import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { FLEET_LIMITS } from '../fleet-limits.ts'
import { enter, leave, type Groups } from '../groups.ts'
import type { Principal } from './principal.ts'

/** A name is free again after this silence. */
const HELD_MS = 120 * SECOND
/** From this size on, free names are removed, each time that as many again have come. */
const PRUNE_SIZE = 10_000

/** Ties each worker's name to one token, so that no other can act for that worker. */
export class WorkerNames {
  readonly #holders = new Map<string, { principal: Principal; lastAt: number }>()
  readonly #now: () => number
  readonly #isGood: (principal: Principal) => boolean
  /** The names of each token. */
  readonly #namesOf: Groups<string> = new Map()
  readonly #most: number
  #pruneSize = PRUNE_SIZE

  /**
   * @param isGood false for a revoked token, which holds no name.
   * @param most names of one token, which may serve many machines, but not fill the table.
   */
  constructor(
    now: () => number,
    isGood: (principal: Principal) => boolean,
    most: number = FLEET_LIMITS.agentsOfToken,
  ) {
    this.#now = now
    this.#isGood = isGood
    this.#most = most
  }

  /**
   * Notes that a name is used. Admins may use every name.
   * @throws {AppError} `worker_id_taken` while another token holds it, with the time to retry: it may be the same machine's
   * former token; `too_many_requests` when the token holds very many.
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
      const message = `Another token uses the worker id ${printable(workerId)}: choose another --worker-id, or wait until it is free.`
      throw new AppError('worker_id_taken', message, { retryAfterSeconds })
    }
    if (holder?.principal.tokenId !== principal.tokenId) {
      this.#checkCount(principal, now)
      if (this.#holders.size >= this.#pruneSize) this.#forgetFree(now)
      this.#forget(workerId)
      enter(this.#namesOf, principal.tokenId, workerId)
    }
    this.#holders.set(workerId, { principal, lastAt: now })
  }

  #checkCount({ tokenId, name }: Principal, now: number): void {
    const names = this.#namesOf.get(tokenId!)
    if (names === undefined || names.size < this.#most) return
    let count = 0
    for (const workerId of names) if (isHeld(this.#holders.get(workerId)!.lastAt, now)) count += 1
    if (count < this.#most) return
    const message = `The token ${name} uses ${count} worker ids, which is the limit (--max-agents-per-token): give each agent one id of its own.`
    throw new AppError('too_many_requests', message)
  }

  #forgetFree(now: number): void {
    for (const [workerId, { lastAt }] of this.#holders) {
      if (!isHeld(lastAt, now)) this.#forget(workerId)
    }
    this.#pruneSize = Math.max(PRUNE_SIZE, 2 * this.#holders.size)
  }

  #forget(workerId: string): void {
    const tokenId = this.#holders.get(workerId)?.principal.tokenId ?? null
    if (tokenId !== null) leave(this.#namesOf, tokenId, workerId)
    this.#holders.delete(workerId)
  }
}

/** False after the clock was set back. */
function isHeld(lastAt: number, now: number): boolean {
  return lastAt <= now && now < lastAt + HELD_MS
}
