import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'

/** Nothing printed for so long, beside a silent minute for each minute of audio: it hangs. */
export const SILENT_MS = 10 * 60_000

/** Aborts what has not said anything for too long. */
export class Silence {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(limitMs: number, name: string) {
    this.#timer = startTimer(() => {
      const minutes = Math.round(limitMs / 60_000)
      const message = `The engine ${name} hangs: it has said nothing for ${minutes} minutes.`
      this.#controller.abort(new AppError('engine_failed', message))
    }, limitMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  broken(): void {
    this.#timer.refresh()
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
