import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { startTimer } from '../../shared/timers.ts'
import { enter, leave, type Groups } from '../groups.ts'
import type { Taken } from '../storage/job-store.ts'

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
export interface Waiter extends WorkRequest {
  resolve: (claiming: Promise<Taken> | null) => void
}

/** The calls that wait for work, by content type, in order of arrival; prefetching ones last. */
export class LongPolls {
  readonly #now: Groups<Waiter> = new Map()
  readonly #later: Groups<Waiter> = new Map()
  readonly #byClaim = new Map<string, Waiter>()
  readonly #byWorker: Groups<Waiter> = new Map()
  readonly #most: number
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#size
  }

  /**
   * Waits for a claim; null on timeout, abort or dismissal.
   * @param key names the claim, for {@link dismissClaim}.
   * @throws {AppError} `too_many_requests` when too many calls wait, of this worker or in all.
   */
  async wait(
    request: WorkRequest,
    key: string | null,
    waitMs: number,
  ): Promise<{ claiming: Promise<Taken> } | null> {
    const { contentTypes, prefetch, workerId, signal } = request
    const lines = prefetch ? this.#later : this.#now
    this.#checkRoom(workerId)
    this.#size += 1
    return await new Promise((resolve) => {
      const dismiss = (): void => waiter.resolve(null)
      const timer = startTimer(dismiss, waitMs)
      const waiter: Waiter = {
        ...request,
        resolve: (claiming) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', dismiss)
          if (leave(this.#byWorker, workerId, waiter)) this.#size -= 1
          for (const type of contentTypes) leave(lines, type, waiter)
          if (key !== null) this.#byClaim.delete(key)
          // In an object: it is not waited for here.
          resolve(claiming && { claiming })
        },
      }
      signal.addEventListener('abort', dismiss)
      for (const type of contentTypes) enter(lines, type, waiter)
      enter(this.#byWorker, workerId, waiter)
      if (key !== null) this.#byClaim.set(key, waiter)
    })
  }

  /** The calls that wait for a content type, in order. Calls resolved during the iteration are skipped. */
  *for(contentType: string): Iterable<Waiter> {
    yield* this.#now.get(contentType) ?? []
    yield* this.#later.get(contentType) ?? []
  }

  of(workerId: string): Waiter[] {
    return [...(this.#byWorker.get(workerId) ?? [])]
  }

  dismissClaim(key: string): void {
    this.#byClaim.get(key)?.resolve(null)
  }

  dismissAll(): void {
    for (const workerId of this.#byWorker.keys())
      for (const waiter of this.of(workerId)) waiter.resolve(null)
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
