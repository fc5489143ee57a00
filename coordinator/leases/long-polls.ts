import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { startTimer } from '../../shared/timers.ts'

/** An agent has one call open, and one more for what it looks ahead to: a worker with more has lost count of them. */
const MOST_OF_WORKER = 64
/** Each costs some 40 kB with its connection: together 160 MB. */
const MOST = 4_096

/** Who waits, and for what. */
export interface Wish {
  workerId: string
  contentTypes: readonly string[]
  /** For later: it stands behind all who would begin at once. */
  prefetch: boolean
  /** False for a worker of the original protocol, which has not said what it can do. */
  leased: boolean
}

/** A caller that waits for work; `resolve` with a job's id, or null when it must go empty-handed. */
export interface Waiter extends Wish {
  resolve: (jobId: string | null) => void
}

type Lines = Map<string, Set<Waiter>>

/** The callers that wait, by content type: those who would begin at once first, then those who look ahead. */
export class LongPolls {
  readonly #now: Lines = new Map()
  readonly #later: Lines = new Map()
  readonly #byClaim = new Map<string, Waiter>()
  readonly #byWorker = new Map<string, Set<Waiter>>()
  #size = 0

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /**
   * Waits for a job's id; null when the time is over, the caller has gone or somebody sent it home.
   * @param key names the claim, for {@link dismissClaim}.
   * @throws {AppError} `too_many_requests` when too many wait already, of this worker or together.
   */
  async wait(
    wish: Wish,
    key: string | null,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { contentTypes, prefetch } = wish
    const lines = prefetch ? this.#later : this.#now
    this.#checkRoom(wish.workerId)
    this.#size += 1
    return await new Promise((resolve) => {
      const goHome = (): void => waiter.resolve(null)
      const timer = startTimer(goHome, waitMs)
      const waiter: Waiter = {
        ...wish,
        resolve: (jobId) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', goHome)
          if (leave(this.#byWorker, wish.workerId, waiter)) this.#size -= 1
          for (const type of contentTypes) leave(lines, type, waiter)
          if (key !== null) this.#byClaim.delete(key)
          resolve(jobId)
        },
      }
      signal.addEventListener('abort', goHome)
      for (const type of contentTypes) enter(lines, type, waiter)
      enter(this.#byWorker, wish.workerId, waiter)
      if (key !== null) this.#byClaim.set(key, waiter)
    })
  }

  /** Who waits for a content type, the first in line first. Whoever is sent off meanwhile is left out. */
  *for(contentType: string): Iterable<Waiter> {
    yield* this.#now.get(contentType) ?? []
    yield* this.#later.get(contentType) ?? []
  }

  /** The waiting calls of one worker, the first in line first. */
  of(workerId: string): Waiter[] {
    return [...(this.#byWorker.get(workerId) ?? [])]
  }

  /** Sends the call home that waits with that claim. */
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
      own >= MOST_OF_WORKER
        ? `${own} calls of the worker '${printable(workerId)}' wait for work`
        : this.#size >= MOST
          ? `${this.#size} calls wait for work`
          : null
    if (excess !== null)
      throw new AppError('too_many_requests', `${excess}, which is the limit: retry later.`)
  }
}

function enter(lines: Lines, key: string, waiter: Waiter): void {
  let line = lines.get(key)
  if (line === undefined) lines.set(key, (line = new Set()))
  line.add(waiter)
}

/** Whether it was there. */
function leave(lines: Lines, key: string, waiter: Waiter): boolean {
  const line = lines.get(key)
  const wasThere = line?.delete(waiter) === true
  if (line?.size === 0) lines.delete(key)
  return wasThere
}
