import { pino, type Logger } from 'pino'
import { printable } from '../shared/printable.ts'
import type { LogLevel } from '../shared/settings.ts'
import { startTimer } from '../shared/timers.ts'

export type LogFormat = 'text' | 'json'

/** Each write wakes whoever reads the log. */
const TOGETHER_MS = 10

/** Logs to standard output: JSON lines, or `time level message key=value …`. */
export function createLogger(level: LogLevel, format: LogFormat): Logger {
  const base = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (format === 'text')
    return pino(
      base,
      together((line) => asText(line), process.stdout),
    )
  return pino(
    base,
    together((line) => line, pino.destination({ fd: 1, sync: true })),
  )
}

/** Writes the lines of a few milliseconds at once, at the latest when the process exits. */
function together(
  written: (line: string) => string,
  out: { write: (text: string) => unknown },
): pino.DestinationStream {
  let lines = ''
  const flush = (): void => {
    const text = lines
    lines = ''
    if (text !== '') out.write(text)
  }
  process.on('exit', flush)
  return {
    write(line) {
      if (lines === '') startTimer(flush, TOGETHER_MS)
      lines += written(line)
    },
  }
}

const NAMES: Record<number, string> = {
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
}

/** A JSON line as text; control characters of untrusted names are escaped. */
function asText(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries(rest).map(([key, value]) => ` ${key}=${shown(value)}`)
  const cause = (err as { message?: string; stack?: string } | undefined) ?? {}
  const why = cause.message === undefined ? '' : `: ${cause.message}`
  const name = (NAMES[Number(level)] ?? '').padEnd(5)
  return `${String(time)} ${name} ${printable(`${String(msg)}${why}`)}${pairs.join('')}\n`
}

function shown(value: unknown): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value))
  return typeof value === 'string' && /[\s"=]/.test(text) ? JSON.stringify(text) : text
}
