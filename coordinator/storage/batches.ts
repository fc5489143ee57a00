import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { delay } from '../../shared/timers.ts'

export interface BatchRules {
  /** Items of a batch. */
  most: number
  /** How long after a batch has begun the next one may, in milliseconds. */
  everyMs?: number
}

interface Waiting<I, O> {
  item: I
  resolve: (outcome: O) => void
  reject: (reason: unknown) => void
}

/** Works on items in batches: what comes while one is at work goes with the next, so that an idle moment costs no wait. */
export class Batches<I, O> {
  readonly #work: (items: readonly I[]) => Promise<readonly O[]>
  readonly #rules: BatchRules
  readonly #waiting: Waiting<I, O>[] = []
  #isRunning = false

  /** @param work gives an outcome for each item, in their order. When it fails unexpectedly, each item is tried alone. */
  constructor(work: (items: readonly I[]) => Promise<readonly O[]>, rules: BatchRules) {
    this.#work = work
    this.#rules = rules
  }

  async add(item: I): Promise<O> {
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#isRunning) void this.#run()
    })
  }

  async #run(): Promise<void> {
    const { most, everyMs = 0 } = this.#rules
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      // Those of the same turn of the event loop go together.
      await nextTurn()
      const begun = performance.now()
      await this.#settle(this.#waiting.splice(0, most))
      const left = begun + everyMs - performance.now()
      if (left > 0) await delay(left)
    }
    this.#isRunning = false
  }

  async #settle(batch: readonly Waiting<I, O>[]): Promise<void> {
    try {
      const outcomes = await this.#work(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, index) => resolve(outcomes[index]!))
    } catch (error) {
      // One of them may be what it fails on.
      const isFault = !(error instanceof AppError) && batch.length > 1
      for (const one of batch)
        if (isFault) await this.#settle([one])
        else one.reject(error)
    }
  }
}
