import TinyQueue from 'tinyqueue'
import type { StepName } from '../job/continuation.ts'

export interface DueStep {
  jobId: string
  /** Its continuation's. */
  id: string
  name: StepName
  at: number
  /** Whom it keeps busy. */
  receiver: string
}

/** Tries at a time per receiver: a slow one holds no other up. */
const MAX_PER_RECEIVER = 2

/** Chooses the step that is tried next: receivers take turns. */
export class DueSteps {
  readonly #waiting = new TinyQueue<DueStep>([], (a, b) => a.at - b.at)
  readonly #lines = new Map<string, DueStep[]>()
  readonly #busy = new Map<string, number>()

  add(step: DueStep): void {
    this.#waiting.push(step)
  }

  /** When the next step becomes due; null when none waits. */
  nextAt(): number | null {
    return this.#waiting.peek()?.at ?? null
  }

  /** Queues the steps that are due at their receivers. */
  open(now: number): void {
    for (let step = this.#waiting.peek(); step !== undefined; step = this.#waiting.peek()) {
      if (step.at > now) break
      this.#waiting.pop()
      const line = this.#lines.get(step.receiver)
      if (line === undefined) this.#lines.set(step.receiver, [step])
      else line.push(step)
    }
  }

  /** The jobs of all steps that are not tried yet. */
  get jobIds(): string[] {
    const steps = [...this.#waiting.data, ...[...this.#lines.values()].flat()]
    return steps.map(({ jobId }) => jobId)
  }

  /** The next step that may be tried, or null; it counts as running until {@link done}. */
  take(): DueStep | null {
    for (const [receiver, line] of this.#lines) {
      const busy = this.#busy.get(receiver) ?? 0
      if (busy >= MAX_PER_RECEIVER) continue
      const step = line.shift()!
      this.#busy.set(receiver, busy + 1)
      // Behind the other receivers.
      this.#lines.delete(receiver)
      if (line.length > 0) this.#lines.set(receiver, line)
      return step
    }
    return null
  }

  done({ receiver }: Pick<DueStep, 'receiver'>): void {
    const busy = this.#busy.get(receiver) ?? 0
    if (busy > 1) this.#busy.set(receiver, busy - 1)
    else this.#busy.delete(receiver)
  }
}
