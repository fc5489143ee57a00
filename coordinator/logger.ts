import { pino, type Logger } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFormat = 'text' | 'json'

/** Standard output: JSON lines, or for people `time level message key=value …`. Secrets are not to be passed to it. */
export function createLogger(level: LogLevel, format: LogFormat): Logger {
  const base = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (format === 'json') return pino(base)
  return pino(base, { write: (line: string) => process.stdout.write(asText(line)) })
}

const NAMES: Record<number, string> = {
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
}

function asText(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const cause = (err as { message?: string; stack?: string } | undefined) ?? {}
  const why = cause.message === undefined ? '' : `: ${cause.message}`
  const name = (NAMES[Number(level)] ?? '').padEnd(5)
  return `${String(time)} ${name} ${String(msg)}${why}${pairs.join('')}\n`
}
