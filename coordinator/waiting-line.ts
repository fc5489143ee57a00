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
export class WaitingLine {
  readonly #now: Lines = new Map()
  readonly #later: Lines = new Map()
  readonly #byClaim = new Map<string, Waiter>()

  /** How many wait. */
  get size(): number {
    return this.#all().size
  }

  /**
   * Waits for a job's id; null when the time is over, the caller has gone or somebody sent it home.
   * @param key names the claim, for {@link dismissClaim}.
   */
  async wait(
    wish: Wish,
    key: string | null,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { contentTypes, prefetch } = wish
    const lines = prefetch ? this.#later : this.#now
    return await new Promise((resolve) => {
      const goHome = (): void => waiter.resolve(null)
      const timer = setTimeout(goHome, waitMs)
      const waiter: Waiter = {
        ...wish,
        resolve: (jobId) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', goHome)
          for (const type of contentTypes) leave(lines, type, waiter)
          if (key !== null) this.#byClaim.delete(key)
          resolve(jobId)
        },
      }
      signal.addEventListener('abort', goHome)
      for (const type of contentTypes) {
        let line = lines.get(type)
        if (line === undefined) lines.set(type, (line = new Set()))
        line.add(waiter)
      }
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
    return [...this.#all()].filter((waiter) => waiter.workerId === workerId)
  }

  /** Sends the call home that waits with that claim. */
  dismissClaim(key: string): void {
    this.#byClaim.get(key)?.resolve(null)
  }

  dismissAll(): void {
    for (const waiter of this.#all()) waiter.resolve(null)
  }

  #all(): Set<Waiter> {
    const lines = [...this.#now.values(), ...this.#later.values()]
    return new Set(lines.flatMap((line) => [...line]))
  }
}

function leave(lines: Lines, type: string, waiter: Waiter): void {
  const line = lines.get(type)
  line?.delete(waiter)
  if (line?.size === 0) lines.delete(type)
}
