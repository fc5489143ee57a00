import type { ServerResponse } from 'node:http'
import { SECOND } from '../../shared/duration.ts'
import { startInterval } from '../../shared/timers.ts'
import type { Principal } from './principal.ts'

/** How soon what is open ends whose token has been revoked. */
const LOOK_MS = 5 * SECOND

/** The answers under way, each with who asked: streams, downloads and uploads may go on for long after their token. */
export class OpenAnswers {
  readonly #open = new Map<ServerResponse, Principal>()
  readonly #timer: NodeJS.Timeout

  /** @param isGood whether somebody would still be let in. */
  constructor(isGood: (principal: Principal) => boolean) {
    this.#timer = startInterval(() => {
      for (const [answer, principal] of this.#open) if (!isGood(principal)) answer.destroy()
    }, LOOK_MS).unref()
  }

  add(principal: Principal, answer: ServerResponse): void {
    this.#open.set(answer, principal)
    answer.once('close', () => this.#open.delete(answer))
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
