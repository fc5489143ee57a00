import { AppError, messageOf, type ErrorCode } from '../../shared/errors.ts'

/** Failures that speak of the engine or its place. All others are the file's, the network's or a person's doing. */
const OF_THE_ENGINE = new Set<ErrorCode>([
  'engine_failed',
  'engine_missing',
  'model_missing',
  'gpu_out_of_memory',
  'internal',
])

/** So many different jobs must fail in a row: one or two may be to blame themselves. */
const TOO_MANY = 3
/** An engine's message can be all that it printed. */
const LONGEST = 500

/**
 * Whether a slot's engine can be trusted with another job. After a pause the failures still count, so that one more
 * failure is enough for the next pause; only a success forgets them.
 */
export class SlotHealth {
  /** The last jobs that failed since the last success. */
  #failed: string[] = []
  #lastError = ''

  /** Takes note of how a job went; true when the slot should now pause. `error` is null for a success. */
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

  /** For people: why it pauses. */
  get reason(): string {
    return `Its engine failed ${TOO_MANY} different jobs in a row, the last with: ${this.#lastError}`
  }
}

function isOfTheEngine(error: unknown): boolean {
  return error instanceof AppError ? OF_THE_ENGINE.has(error.code) : true
}
