import { messageOf } from '../../shared/errors.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import { Intercepted, isTransient } from '../../shared/refusal.ts'

/** A proxy may let one kind of request through and not another. */
export type RequestKind = 'heartbeat' | 'claim' | 'result' | 'status'

/**
 * Whether the coordinator answers, and what is in the way while it does not. Reports each change once: that it is away,
 * each further thing that answers in its place, and that it is back.
 */
export class Contact {
  onReturn: () => void = () => undefined
  readonly #reporter: Pick<Reporter, 'event'>
  readonly #name: string
  /** Why requests of a kind fail. */
  readonly #failing = new Map<RequestKind, string>()
  /** Obstacles reported since it went away. */
  readonly #reported = new Set<string>()

  /** @param name of the coordinator, for sentences. */
  constructor(reporter: Pick<Reporter, 'event'>, name = 'The coordinator') {
    this.#reporter = reporter
    this.#name = name
  }

  get isAway(): boolean {
    return this.#failing.size > 0
  }

  /** Why it is away, as a sentence; null while it is there. */
  get reason(): string | null {
    const [reason = null] = this.#failing.values()
    return reason
  }

  /** @param error what a request has thrown; null: it was answered. */
  note(kind: RequestKind, error: unknown): void {
    if (error !== null && isTransient(error)) this.#fail(kind, error)
    else if (this.#failing.delete(kind)) this.#succeed(kind)
  }

  #fail(kind: RequestKind, error: unknown): void {
    const message = messageOf(error)
    const what = error instanceof Intercepted ? error.what : 'away'
    const isNew = !this.isAway || (error instanceof Intercepted && !this.#reported.has(what))
    this.#failing.set(kind, message)
    this.#reported.add(what)
    if (isNew) this.#reporter.event('warn', `${message} Trying again until it is back.`)
  }

  #succeed(kind: RequestKind): void {
    if (!this.isAway) {
      this.#reported.clear()
      this.#reporter.event('info', `${this.#name} is back.`)
    }
    if (kind !== 'result') this.onReturn()
  }
}
