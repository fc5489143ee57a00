/** Runs work one after the other per key, in the order of the calls. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<unknown>>()

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const mine = before === undefined ? work() : before.then(work, work)
    this.#last.set(key, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    }
  }

  isTaken(key: string): boolean {
    return this.#last.has(key)
  }

  /** Waits for its turn. @returns a function that ends it. */
  async turn(key: string): Promise<() => void> {
    return await new Promise((begin) => {
      void this.take(key, async () => await new Promise<void>((end) => begin(end)))
    })
  }
}
