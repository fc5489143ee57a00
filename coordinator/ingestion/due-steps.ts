import TinyQueue from 'tinyqueue'
import type { StepName } from '../job/continuation.ts'

/** A step that is to be tried: all that is kept of it in memory. */
export interface DueStep {
  jobId: string
  /** Its continuation's. */
  id: string
  name: StepName
  at: number
}

/** So many are tried at once of those that go to one receiver: one that is slow holds nobody else up. */
const MOST_PER_RECEIVER = 2

/** Which step is tried next: what is due, the receivers taking turns. */
export class DueSteps {
  readonly #waiting = new TinyQueue<DueStep>([], (a, b) => a.at - b.at)
  /** What is due, by receiver. */
  readonly #lines = new Map<string, DueStep[]>()
  /** How many are being tried, by receiver. */
  readonly #busy = new Map<string, number>()

  add(step: DueStep): void {
    this.#waiting.push(step)
  }

  /** When the next becomes due; null when none waits for that. */
  nextAt(): number | null {
    return this.#waiting.peek()?.at ?? null
  }

  /**
   * Puts what is due by now into its receiver's line.
   * @param receiverOf null for a step that is not to be tried any more.
   */
  open(now: number, receiverOf: (step: DueStep) => string | null): void {
    for (let step = this.#waiting.peek(); step !== undefined; step = this.#waiting.peek()) {
      if (step.at > now) break
      this.#waiting.pop()
      const receiver = receiverOf(step)
      if (receiver === null) continue
      const line = this.#lines.get(receiver)
      if (line === undefined) this.#lines.set(receiver, [step])
      else line.push(step)
    }
  }

  /** The next that may be tried, or null; its receiver is busy with it until {@link done}. */
  take(): { step: DueStep; receiver: string } | null {
    for (const [receiver, line] of this.#lines) {
      const busy = this.#busy.get(receiver) ?? 0
      if (busy >= MOST_PER_RECEIVER) continue
      const step = line.shift()!
      this.#busy.set(receiver, busy + 1)
      // To the end: the others come first next time.
      this.#lines.delete(receiver)
      if (line.length > 0) this.#lines.set(receiver, line)
      return { step, receiver }
    }
    return null
  }

  done(receiver: string): void {
    const busy = this.#busy.get(receiver) ?? 0
    if (busy > 1) this.#busy.set(receiver, busy - 1)
    else this.#busy.delete(receiver)
  }
}
