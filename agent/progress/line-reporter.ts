import { timeOfDay } from '../../shared/time-of-day.ts'
import { oneLine } from '../../shared/render.ts'
import type { Progress } from './progress.ts'
import { Stopwatch } from './progress-text.ts'
import { isShown, type Activity, type Level, type Reporter } from './reporter-kinds.ts'

/** Progress is told again after this much of it. */
const STEP = 0.1

export interface LineOptions {
  level: Level
  /** Lines begin with the time. */
  times: boolean
  stream: { write(text: string): unknown }
}

/** One line for each thing that happens: for log files, pipes and terminals that cannot be drawn on. */
export class LineReporter implements Reporter {
  readonly #options: LineOptions

  constructor(options: LineOptions) {
    this.#options = options
  }

  event(level: Level, message: string): void {
    const { level: least, times, stream } = this.#options
    if (!isShown(level, least)) return
    const time = times ? `${new Date(timeOfDay()).toISOString()} ` : ''
    const mark = level === 'warn' || level === 'error' ? `${level}: ` : ''
    // Names of files and words of others are in it: nothing of them may move a terminal's cursor.
    stream.write(`${time}${mark}${oneLine(message)}\n`)
  }

  begin(_id: string, name: string): Activity {
    const stopwatch = new Stopwatch()
    let told: Progress | null = null
    return {
      update: (progress) => {
        const moved =
          told === null || progress.stage !== told.stage || progress.ratio >= told.ratio + STEP
        if (!moved) return
        told = progress
        this.event('info', `${name}: ${stopwatch.text(progress)}`)
      },
      done: (text) => this.event('info', `${name}: ${text}`),
      failed: (why) => this.event('error', `${name}: ${why}`),
      stopped: (why) => this.event('warn', `${name}: stopped. ${why}`),
    }
  }

  idle(): void {}
  close(): void {}
}
