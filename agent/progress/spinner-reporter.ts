import ora, { type Ora } from 'ora'
import { oneLine } from '../../shared/render.ts'
import { LineReporter } from './line-reporter.ts'
import { Stopwatch } from './progress-text.ts'
import type { Activity, Level, Reporter } from './reporter-kinds.ts'

export interface SpinnerOptions {
  level: Level
  times: boolean
  stream: NodeJS.WriteStream
}

/** A moving line per terminal while work is under way, and a line that stays for each result. */
export class SpinnerReporter implements Reporter {
  readonly isLive = true
  readonly #spinner: Ora
  readonly #lines: LineReporter
  readonly #active = new Map<string, string>()
  #idle = ''

  constructor({ level, stream, times }: SpinnerOptions) {
    // ora must not take over signals or input, and ignores NO_COLOR, which the stream knows.
    const color = stream.hasColors() ? 'cyan' : false
    this.#spinner = ora({ stream, color, discardStdin: false, hideCursor: false })
    this.#lines = new LineReporter({
      level,
      times,
      stream: { write: (text: string) => this.#above(text, stream) },
    })
  }

  event(level: Level, message: string): void {
    this.#lines.event(level, message)
  }

  begin(id: string, raw: string): Activity {
    const name = oneLine(raw)
    const stopwatch = new Stopwatch()
    const end = (symbol: 'succeed' | 'fail' | 'warn', text: string): void => {
      this.#active.delete(id)
      this.#spinner[symbol](oneLine(`${name}: ${text}`))
      this.#draw()
    }
    this.#active.set(id, name)
    this.#draw()
    return {
      update: (progress) => {
        this.#active.set(id, `${name}: ${stopwatch.text(progress)}`)
        this.#draw()
      },
      done: (text) => end('succeed', text),
      failed: (why) => end('fail', why),
      stopped: (why) => end('warn', `stopped. ${why}`),
    }
  }

  idle(text: string): void {
    this.#idle = oneLine(text)
    this.#draw()
  }

  close(): void {
    this.#active.clear()
    this.#idle = ''
    this.#spinner.stop()
  }

  #draw(): void {
    const text = this.#active.size > 0 ? [...this.#active.values()].join('  |  ') : this.#idle
    if (text === '') this.#spinner.stop()
    else if (this.#spinner.isSpinning) this.#spinner.text = text
    else this.#spinner.start(text)
  }

  /** Writes a line that stays above the moving one. */
  #above(text: string, stream: NodeJS.WriteStream): void {
    const moving = this.#spinner.isSpinning
    if (moving) this.#spinner.clear()
    stream.write(text)
    if (moving) this.#spinner.render()
  }
}
