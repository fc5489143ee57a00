/**
 * Looks at something outside this process at most once in a turn of the event loop: what arrives later is read in a later
 * turn, so a request never gets an answer that is older than itself.
 * @param look what it throws is thrown, and not kept.
 */
export class OnceATurn<T> {
  readonly #look: () => T
  #known: { value: T } | null = null

  constructor(look: () => T) {
    this.#look = look
  }

  get(): T {
    if (this.#known === null) {
      this.#known = { value: this.#look() }
      setImmediate(() => this.forget())
    }
    return this.#known.value
  }

  /** Looks again next time: this process has changed it. */
  forget(): void {
    this.#known = null
  }
}
