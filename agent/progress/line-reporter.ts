import { timeOfDay } from '../../shared/time-of-day.ts'
import { oneLine } from '../../shared/render.ts'
import type { Progress } from './progress.ts'
import { Stopwatch } from './progress-text.ts'
import { isShown, type Activity, type Level, type Reporter } from './reporter-kinds.ts'

/** The least progress to report again. */
const STEP = 0.1

export interface LineOptions {
  level: Level
  times: boolean
  stream: { write(text: string): unknown }
}

/** A line per event: for log files, pipes and plain terminals. */
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
    // Foreign text in it must not move a terminal's cursor.
    stream.write(`${time}${mark}${oneLine(message)}\n`)
  }

  begin(_id: string, name: string): Activity {
    const stopwatch = new Stopwatch()
    let last: Progress | null = null
    return {
      update: (progress) => {
        const moved =
          last === null || progress.stage !== last.stage || progress.ratio >= last.ratio + STEP
        if (!moved) return
        last = progress
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
