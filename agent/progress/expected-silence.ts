import { AsyncLocalStorage } from 'node:async_hooks'

/** Work that may report no progress for a time. */
export interface Expected {
  /** There was progress: the time begins anew. */
  again(): void
  end(): void
}

/**
 * Until when an attempt may report no progress. The heartbeat sends it to the coordinator, which then leaves it to the
 * agent's own timeouts to detect a hang.
 */
export class ExpectedSilence {
  readonly #until = new Set<() => number>()

  /** Milliseconds from now; 0: progress is expected. */
  get leftMs(): number {
    const now = performance.now()
    return Math.max(0, ...Array.from(this.#until, (until) => until() - now))
  }

  /** @param until on the clock of performance.now(). @returns a function that removes it. */
  add(until: () => number): () => void {
    this.#until.add(until)
    return () => this.#until.delete(until)
  }

  /** Runs work whose expected silences are counted here. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    return await current.run(this, work)
  }
}

const current = new AsyncLocalStorage<ExpectedSilence>()

/** Announces that the work begun now may report no progress for this time. */
export function expectQuiet(limitMs: number): Expected {
  let until = performance.now() + limitMs
  const end = current.getStore()?.add(() => until)
  return {
    again: () => (until = performance.now() + limitMs),
    end: () => end?.(),
  }
}

/** Awaits work that reports no progress and has a timeout of its own. */
export async function whileQuiet<T>(work: Promise<T>): Promise<T> {
  const expected = expectQuiet(Infinity)
  try {
    return await work
  } finally {
    expected.end()
  }
}
