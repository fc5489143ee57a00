import { randomUUID } from 'node:crypto'

export interface Change<T> {
  /** Of its event: `<process>.<number>`. */
  id: string
  key: string
  note: T
}

/** The latest change of each key, for clients that resume. Bounded. */
export class ChangeLog<T> {
  readonly #process = randomUUID().slice(0, 8)
  readonly #kept: number
  readonly #changes = new Map<string, { number: number; note: T }>()
  #number = 0
  /** The latest change that has been dropped. */
  #dropped = 0

  constructor(kept: number) {
    this.#kept = kept
  }

  get id(): string {
    return this.#idOf(this.#number)
  }

  add(key: string, note: T): Change<T> {
    this.#number += 1
    this.#changes.delete(key)
    this.#changes.set(key, { number: this.#number, note })
    for (const [oldest, { number }] of this.#changes) {
      if (this.#changes.size <= this.#kept) break
      this.#changes.delete(oldest)
      this.#dropped = number
    }
    return { id: this.id, key, note }
  }

  /** Changes are missing: who resumes from before now gets everything anew. */
  forget(): void {
    this.#changes.clear()
    this.#dropped = this.#number += 1
  }

  /** The changes since an event; null for one that is too old, or of another process. */
  since(id: string): Change<T>[] | null {
    const [process, text] = id.split('.')
    const last = Number(text)
    if (process !== this.#process || !/^\d+$/.test(text ?? '')) return null
    if (last < this.#dropped || last > this.#number) return null
    const later: Change<T>[] = []
    for (const [key, { number, note }] of this.#changes) {
      if (number > last) later.push({ id: this.#idOf(number), key, note })
    }
    return later
  }

  #idOf(number: number): string {
    return `${this.#process}.${number}`
  }
}
