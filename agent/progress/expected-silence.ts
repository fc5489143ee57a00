import { AsyncLocalStorage } from 'node:async_hooks'

/** Something that may say nothing for a while, and is then ended by whoever watches it. */
export interface Expected {
  /** It has said something: the while begins anew. */
  again(): void
  end(): void
}

/**
 * Until when an attempt may seem to stand still, because what works for it says nothing of how far it is. The heartbeat
 * tells the coordinator, which then leaves it to us to find out what hangs.
 */
export class ExpectedSilence {
  readonly #until = new Set<() => number>()

  /** Milliseconds from now; 0: progress is to be seen. */
  get leftMs(): number {
    const now = performance.now()
    return Math.max(0, ...Array.from(this.#until, (until) => until() - now))
  }

  /** @param until on the clock of performance.now(). @returns what takes it back. */
  add(until: () => number): () => void {
    this.#until.add(until)
    return () => this.#until.delete(until)
  }

  /** Does something whose silences are to be counted here. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    return await current.run(this, work)
  }
}

const current = new AsyncLocalStorage<ExpectedSilence>()

/** Says that what is begun now may say nothing for so long. */
export function expectQuiet(limitMs: number): Expected {
  let until = performance.now() + limitMs
  const end = current.getStore()?.add(() => until)
  return {
    again: () => (until = performance.now() + limitMs),
    end: () => end?.(),
  }
}

/** Waits for what has a watch of its own, and says nothing. */
export async function whileQuiet<T>(work: Promise<T>): Promise<T> {
  const expected = expectQuiet(Infinity)
  try {
    return await work
  } finally {
    expected.end()
  }
}
