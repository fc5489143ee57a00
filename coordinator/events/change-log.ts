import { randomUUID } from 'node:crypto'

/** A thing that has changed. */
export interface Change<T> {
  /** Of the event that tells of it: `<process>.<number>`. */
  id: string
  key: string
  note: T
}

/**
 * Which things have changed, the latest last and each but once: whoever has missed events is told how each thing is by
 * now. So much is kept and no more.
 */
export class ChangeLog<T> {
  readonly #process = randomUUID().slice(0, 8)
  readonly #kept: number
  readonly #changes = new Map<string, { number: number; note: T }>()
  #number = 0
  /** Whoever has seen nothing later has missed what is forgotten by now. */
  #forgotten = 0

  constructor(kept: number) {
    this.#kept = kept
  }

  /** The id of the latest change. */
  get id(): string {
    return this.#idOf(this.#number)
  }

  add(key: string, note: T): Change<T> {
    this.#number += 1
    // Set anew it stands last.
    this.#changes.delete(key)
    this.#changes.set(key, { number: this.#number, note })
    for (const [oldest, { number }] of this.#changes) {
      if (this.#changes.size <= this.#kept) break
      this.#changes.delete(oldest)
      this.#forgotten = number
    }
    return { id: this.id, key, note }
  }

  /** What has changed since an event; null when that is not known: it is too old, or of another process. */
  since(id: string): Change<T>[] | null {
    const [process, text] = id.split('.')
    const seen = Number(text)
    if (process !== this.#process || !/^\d+$/.test(text ?? '')) return null
    if (seen < this.#forgotten || seen > this.#number) return null
    const later: Change<T>[] = []
    for (const [key, { number, note }] of this.#changes) {
      if (number > seen) later.push({ id: this.#idOf(number), key, note })
    }
    return later
  }

  #idOf(number: number): string {
    return `${this.#process}.${number}`
  }
}
