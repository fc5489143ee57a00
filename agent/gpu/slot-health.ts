import { AppError, messageOf, type ErrorCode } from '../../shared/errors.ts'

const OF_THE_ENGINE = new Set<ErrorCode>([
  'engine_failed',
  'engine_missing',
  'model_missing',
  'gpu_out_of_memory',
  'internal',
])

/** Different jobs that must fail in a row: one or two may be at fault themselves. */
const TOO_MANY = 3
/** An engine's message may be all of its output. */
const LONGEST = 500

/**
 * A circuit breaker for a slot's engine. After a pause the failures still count, so that one more starts the next
 * pause; a success resets them.
 */
export class SlotHealth {
  #failed: string[] = []
  #lastError = ''

  /** @param error null for a success. @returns whether the slot has to pause. */
  note(jobId: string, error: unknown): boolean {
    if (error === null) {
      this.#failed = []
      return false
    }
    if (!isOfTheEngine(error)) return false
    this.#lastError = messageOf(error).slice(0, LONGEST)
    this.#failed = [...this.#failed.filter((id) => id !== jobId), jobId].slice(-TOO_MANY)
    return this.#failed.length === TOO_MANY
  }

  get reason(): string {
    return `Its engine failed ${TOO_MANY} different jobs in a row, the last with: ${this.#lastError}`
  }
}

/** Whether the engine or its machine failed, and not the file, the network or a person. */
export function isOfTheEngine(error: unknown): boolean {
  return error instanceof AppError ? OF_THE_ENGINE.has(error.code) : true
}
