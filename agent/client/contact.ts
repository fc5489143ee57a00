import { messageOf } from '../../shared/errors.ts'
import type { Reporter } from '../reports/reporter-kinds.ts'
import { isTransient } from './retry.ts'

/** Whether the coordinator is there. Says once that it has gone and once that it is back, however often it is asked. */
export class Contact {
  readonly #reporter: Reporter
  readonly #onReturn: () => void
  readonly #name: string
  #isAway = false

  /** @param name what the coordinator is called where there are several. */
  constructor(reporter: Reporter, onReturn: () => void, name = 'The coordinator') {
    this.#reporter = reporter
    this.#name = name
    this.#onReturn = onReturn
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** What came of a request: null for an answer, else what was thrown. */
  note(error: unknown): void {
    if (error !== null && isTransient(error)) {
      if (!this.#isAway)
        this.#reporter.event('warn', `${messageOf(error)} Trying again until it is back.`)
      this.#isAway = true
    } else if (this.#isAway) {
      this.#isAway = false
      this.#reporter.event('info', `${this.#name} is back.`)
      this.#onReturn()
    }
  }
}
