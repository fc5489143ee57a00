import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { expectQuiet, type Expected } from '../progress/expected-silence.ts'

/** A program without output for so long hangs; programs add the time that their input may take. */
export const IDLE_MS = 10 * 60_000

/** Aborts a program that prints nothing for too long; the coordinator is asked to wait until then. */
export class IdleTimeout {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #expected: Expected

  /** @param name begins the error's sentence: `The engine whisperx`. */
  constructor(limitMs: number, name: string) {
    this.#expected = expectQuiet(limitMs)
    this.#timer = startTimer(() => {
      const minutes = Math.round(limitMs / 60_000)
      const message = `${name} hangs: no output for ${minutes} minutes.`
      this.#controller.abort(new AppError('engine_failed', message))
    }, limitMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  reset(): void {
    this.#timer.refresh()
    this.#expected.again()
  }

  resetting<A extends unknown[]>(listener: (...output: A) => void): (...output: A) => void {
    return (...output) => {
      this.reset()
      listener(...output)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#expected.end()
  }
}
