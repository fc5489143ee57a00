import { LineReporter } from './line-reporter.ts'
import { SILENT, type Level, type Reporter } from './reporter-kinds.ts'

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
export async function commandReporter(
  options: Pick<ReporterOptions, 'plain'> & Partial<ReporterOptions>,
): Promise<Reporter> {
  const { stderr: stream } = process
  return await createReporter({ level: 'info', format: 'text', stream, times: false, ...options })
}

/** Spinners on a terminal, lines elsewhere; JSON lines go to standard output. Loads only the library that it uses. */
export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { format, stream, plain } = options
  if (format === 'json') return (await import('./json-reporter.ts')).jsonReporter(options.level)
  if (format === 'none') return SILENT
  // On a terminal without a width a spinner never stops drawing.
  const canDraw = stream.isTTY && stream.columns > 0 && !plain
  if (!canDraw) return new LineReporter(options)
  const { SpinnerReporter } = await import('./spinner-reporter.ts')
  return new SpinnerReporter(options)
}
