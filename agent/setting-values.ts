import { InvalidArgumentError } from 'commander'
import { AppError, messageOf } from '../shared/errors.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lets commander say which flag or variable had the value that does not fit. */
export function checked<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error))
    }
  }
}

/** Python's names for levels, which the original's `MORAG_LOG_LEVEL` had. */
const PYTHON_LEVELS: Record<string, LogLevel> = { warning: 'warn', critical: 'error' }

export function logLevel(text: string): LogLevel {
  const name = text.trim().toLowerCase()
  const level = PYTHON_LEVELS[name] ?? LOG_LEVELS.find((one) => one === name)
  if (level !== undefined) return level
  throw new InvalidArgumentError(`Use one of ${LOG_LEVELS.join(', ')}.`)
}

export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return names
  throw new AppError(
    'usage',
    `'${text}' is not a list of content types: write it like audio,video.`,
  )
}

/** The name is part of a path here and in the coordinator's URLs. */
export function workerName(text: string): string {
  if (/^[\w][\w.@-]{0,99}$/.test(text)) return text
  const rule = 'letters, digits and . _ @ -, not beginning with a dot or a dash'
  throw new AppError('usage', `'${text}' cannot be a worker's id (--worker-id): use ${rule}.`)
}
