import { jsonReporter, SILENT } from './json-reporter.ts'
import { LineReporter } from './line-reporter.ts'
import type { Level, Reporter } from './reporter-kinds.ts'
import { SpinnerReporter } from './spinner-reporter.ts'

export interface ReporterOptions {
  level: Level
  /** `none`: nothing but what is asked for. */
  format: 'text' | 'json' | 'none'
  /** Where people read: standard error, so that output can be piped. */
  stream: NodeJS.WriteStream
  /** Whether the stream may be drawn on at all. */
  plain: boolean
  /** Lines begin with the time: for a program that runs for months. */
  times: boolean
}

/** Spinners on a terminal, lines elsewhere, JSON lines on standard output where asked for. */
export function createReporter(options: ReporterOptions): Reporter {
  const { format, stream, plain } = options
  if (format === 'json') return jsonReporter(options.level)
  if (format === 'none') return SILENT
  // On a terminal without a width a spinner draws for ever.
  const canDraw = stream.isTTY && stream.columns > 0 && !plain
  return canDraw ? new SpinnerReporter(options) : new LineReporter(options)
}
