import { AppError } from './errors.ts'

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

const UNITS: Record<string, number> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY }

/**
 * Milliseconds of a duration: `90s`, `1.5h`, `1h30m`, `7d`, `250ms`; a bare number is seconds.
 * @throws {AppError} `usage` when the text is not a duration.
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * SECOND
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) {
    throw new AppError('usage', `'${text}' is not a duration: write it like 90s, 15m, 1h30m or 7d.`)
  }
  let total = 0
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNITS[unit ?? ''] ?? 0)
  }
  return total
}

/** A duration in milliseconds for people: `850ms`, `42s`, `3m 20s`, `2h 5m`, `7d`. */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)}ms`
  const parts: string[] = []
  let rest = Math.round(ms / SECOND) * SECOND
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const amount = Math.floor(rest / UNITS[unit]!)
    rest -= amount * UNITS[unit]!
    if (amount > 0) parts.push(`${amount}${unit}`)
    if (parts.length === 2) break
  }
  return parts.join(' ')
}

/**
 * A position in a recording: `MM:SS`, from one hour on, or with `always`, `HH:MM:SS`. Rounded down.
 */
export function formatTimestamp(seconds: number, always: 'hours' | '' = ''): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (n: number): string => String(n).padStart(2, '0')
  const tail = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`
  return whole >= 3600 || always ? `${two(Math.floor(whole / 3600))}:${tail}` : tail
}

/** The seconds of a clock: `01:02:03.5`, `02:03,500` or `00:00:11.064000000`. Other texts give NaN. */
export function clockSeconds(clock: string): number {
  const parts = clock.replace(',', '.').split(':')
  const seconds = parts.reduce((sum, part) => sum * 60 + Number(part), 0)
  // The double next to the decimal fraction, whatever the sum lost.
  return Math.round(seconds * 1e6) / 1e6
}
