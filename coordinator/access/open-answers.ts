import type { ServerResponse } from 'node:http'
import { SECOND } from '../../shared/duration.ts'
import { startInterval } from '../../shared/timers.ts'
import type { Principal } from './principal.ts'

/** How often open answers are checked. */
const LOOK_MS = 5 * SECOND

/** Ends open answers whose token has been revoked: streams, downloads and uploads may last for hours. */
export class OpenAnswers {
  readonly #open = new Map<ServerResponse, Principal>()
  readonly #timer: NodeJS.Timeout

  /** @param areGood says which principals are still admitted; throws while nobody knows: then all stay. */
  constructor(areGood: () => (principal: Principal) => boolean) {
    this.#timer = startInterval(() => this.#look(areGood), LOOK_MS).unref()
  }

  add(principal: Principal, answer: ServerResponse): void {
    this.#open.set(answer, principal)
    answer.once('close', () => this.#open.delete(answer))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(areGood: () => (principal: Principal) => boolean): void {
    let isGood
    try {
      isGood = areGood()
    } catch {
      return
    }
    for (const [answer, principal] of this.#open) if (!isGood(principal)) answer.destroy()
  }
}
