import { messageOf } from '../../shared/errors.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { Intercepted, isTransient } from './retry.ts'

/** What is asked of a coordinator: a proxy may let one through and not another. */
export type RequestKind = 'heartbeat' | 'claim' | 'result' | 'status'

/**
 * Whether the coordinator is there, and what is in the way where it is not. Says once that it has gone, once for each
 * further thing that answers in its place, and once that it is back, however often it is asked.
 */
export class Contact {
  readonly #reporter: Reporter
  readonly #onReturn: () => void
  readonly #name: string
  /** Why requests of a kind do not get there. */
  readonly #failing = new Map<RequestKind, string>()
  /** What has been told since it went away. */
  readonly #told = new Set<string>()

  /** @param name what the coordinator is called where there are several. */
  constructor(reporter: Reporter, onReturn: () => void, name = 'The coordinator') {
    this.#reporter = reporter
    this.#name = name
    this.#onReturn = onReturn
  }

  get isAway(): boolean {
    return this.#failing.size > 0
  }

  /** Why it is away, as a sentence; null while it is there. */
  get reason(): string | null {
    const [reason = null] = this.#failing.values()
    return reason
  }

  /** What came of a request: null for an answer, else what was thrown. */
  note(kind: RequestKind, error: unknown): void {
    if (error !== null && isTransient(error)) this.#fail(kind, error)
    else if (this.#failing.delete(kind)) this.#succeed(kind)
  }

  #fail(kind: RequestKind, error: unknown): void {
    const message = messageOf(error)
    const what = error instanceof Intercepted ? error.what : 'away'
    const isNews = !this.isAway || (error instanceof Intercepted && !this.#told.has(what))
    this.#failing.set(kind, message)
    this.#told.add(what)
    if (isNews) this.#reporter.event('warn', `${message} Trying again until it is back.`)
  }

  #succeed(kind: RequestKind): void {
    if (!this.isAway) {
      this.#told.clear()
      this.#reporter.event('info', `${this.#name} is back.`)
    }
    if (kind !== 'result') this.#onReturn()
  }
}
