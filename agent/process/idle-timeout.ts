import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { expectQuiet, type Expected } from '../progress/expected-silence.ts'

/** Nothing printed for so long, beside a silent minute for each minute of audio: it hangs. */
export const SILENT_MS = 10 * 60_000

/** Aborts what has not said anything for too long; until then the coordinator is told to wait for it. */
export class IdleTimeout {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #expected: Expected

  /** @param who begins the sentence: `The engine whisperx`. */
  constructor(limitMs: number, who: string) {
    this.#expected = expectQuiet(limitMs)
    this.#timer = startTimer(() => {
      const minutes = Math.round(limitMs / 60_000)
      const message = `${who} hangs: it has said nothing for ${minutes} minutes.`
      this.#controller.abort(new AppError('engine_failed', message))
    }, limitMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  broken(): void {
    this.#timer.refresh()
    this.#expected.again()
  }

  /** A listener whose every call breaks it. */
  breaking<A extends unknown[]>(listener: (...said: A) => void): (...said: A) => void {
    return (...said) => {
      this.broken()
      listener(...said)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#expected.end()
  }
}
