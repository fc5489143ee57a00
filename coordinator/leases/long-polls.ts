import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { startTimer } from '../../shared/timers.ts'
import { enter, leave, type Groups } from '../groups.ts'
import type { Ability } from '../job/requirements.ts'
import type { Taken } from '../storage/job-store.ts'
import { AbilityLines, type Standing } from './ability-lines.ts'

/** An agent has one call open, and one more for prefetching: more are leftovers. */
const MAX_OF_WORKER = 64

export interface WorkRequest {
  workerId: string
  tokenId: string | null
  /** Null: a worker of the original protocol. */
  claimId: string | null
  contentTypes: readonly string[]
  /** A claim ahead of need: served after all calls that need work now. */
  prefetch: boolean
  /** Aborted when the caller has disconnected. */
  signal: AbortSignal
}

/** A waiting call; `resolve` answers it with its claim, or without one. */
export interface Waiter extends WorkRequest, Standing {
  resolve: (claiming: Promise<Taken> | null) => void
}

/** The calls that wait for work, in order of arrival; prefetching ones last. */
export class LongPolls {
  readonly #now = new AbilityLines<Waiter>()
  readonly #later = new AbilityLines<Waiter>()
  readonly #byClaim = new Map<string, Waiter>()
  readonly #byWorker: Groups<Waiter> = new Map()
  readonly #most: number
  readonly #abilityOf: (request: WorkRequest) => Ability
  #size = 0
  #turn = 0

  constructor(most: number, abilityOf: (request: WorkRequest) => Ability) {
    this.#most = most
    this.#abilityOf = abilityOf
  }

  get size(): number {
    return this.#size
  }

  /**
   * Waits for a claim; null on timeout, abort or dismissal.
   * @param key names the claim, for {@link dismissClaim}.
   * @throws {AppError} `too_many_requests` when too many calls wait, of this worker or in all.
   */
  wait(
    request: WorkRequest,
    key: string | null,
    waitMs: number,
  ): Promise<{ claiming: Promise<Taken> } | null> {
    const { workerId, signal } = request
    const lines = this.#linesOf(request)
    this.#checkRoom(workerId)
    this.#size += 1
    return new Promise((resolve) => {
      const dismiss = (): void => waiter.resolve(null)
      const timer = startTimer(dismiss, waitMs)
      const waiter: Waiter = {
        ...request,
        ability: this.#abilityOf(request),
        turn: (this.#turn += 1),
        resolve: (claiming) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', dismiss)
          if (leave(this.#byWorker, workerId, waiter)) this.#size -= 1
          lines.delete(waiter)
          if (key !== null) this.#byClaim.delete(key)
          // In an object: it is not waited for here.
          resolve(claiming && { claiming })
        },
      }
      signal.addEventListener('abort', dismiss)
      lines.add(waiter)
      enter(this.#byWorker, workerId, waiter)
      if (key !== null) this.#byClaim.set(key, waiter)
    })
  }

  /** The calls that wait for a content type, in order. Calls resolved during the iteration are skipped. */
  *for(contentType: string, fits: (ability: Ability) => boolean): Iterable<Waiter> {
    yield* this.#now.of(contentType, fits)
    yield* this.#later.of(contentType, fits)
  }

  /** Takes a worker's calls by its ability as it is by now. */
  regroup(workerId: string): void {
    for (const waiter of this.#byWorker.get(workerId) ?? []) {
      const ability = this.#abilityOf(waiter)
      if (ability.key === waiter.ability.key) continue
      const lines = this.#linesOf(waiter)
      lines.delete(waiter)
      lines.add(Object.assign(waiter, { ability }))
    }
  }

  /** A worker's calls, in order. */
  of(workerId: string): Waiter[] {
    const own = [...(this.#byWorker.get(workerId) ?? [])]
    return own.sort((a, b) => Number(a.prefetch) - Number(b.prefetch))
  }

  dismissClaim(key: string): void {
    this.#byClaim.get(key)?.resolve(null)
  }

  dismissAll(): void {
    for (const workerId of this.#byWorker.keys())
      for (const waiter of this.of(workerId)) waiter.resolve(null)
  }

  #linesOf({ prefetch }: WorkRequest): AbilityLines<Waiter> {
    return prefetch ? this.#later : this.#now
  }

  #checkRoom(workerId: string): void {
    const own = this.#byWorker.get(workerId)?.size ?? 0
    const excess =
      own >= MAX_OF_WORKER
        ? `${own} calls of the worker '${printable(workerId)}' wait for work`
        : this.#size >= this.#most
          ? `${this.#size} calls wait for work (--max-waiting)`
          : null
    if (excess !== null)
      throw new AppError('too_many_requests', `${excess}, which is the limit: retry later.`)
  }
}
