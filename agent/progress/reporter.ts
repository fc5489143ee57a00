import { jsonReporter, SILENT } from './json-reporter.ts'
import { LineReporter } from './line-reporter.ts'
import type { Level, Reporter } from './reporter-kinds.ts'
import { SpinnerReporter } from './spinner-reporter.ts'

export interface ReporterOptions {
  level: Level
  /** `none`: for commands whose only output is their result. */
  format: 'text' | 'json' | 'none'
  /** Standard error, so that output can be piped. */
  stream: NodeJS.WriteStream
  /** Never draw on the stream. */
  plain: boolean
  /** Whether lines begin with the time. */
  times: boolean
}

/** For commands that end by themselves: on standard error, without times. */
export function commandReporter(
  options: Pick<ReporterOptions, 'plain'> & Partial<ReporterOptions>,
): Reporter {
  const { stderr: stream } = process
  return createReporter({ level: 'info', format: 'text', stream, times: false, ...options })
}

/** Spinners on a terminal, lines elsewhere; JSON lines go to standard output. */
export function createReporter(options: ReporterOptions): Reporter {
  const { format, stream, plain } = options
  if (format === 'json') return jsonReporter(options.level)
  if (format === 'none') return SILENT
  // On a terminal without a width a spinner never stops drawing.
  const canDraw = stream.isTTY && stream.columns > 0 && !plain
  return canDraw ? new SpinnerReporter(options) : new LineReporter(options)
}
