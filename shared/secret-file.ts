import { readFileSync } from 'node:fs'
import { AppError, messageOf } from './errors.ts'

/**
 * A secret from its file, else from its variable; null: neither is given.
 * @param setting of the file, for errors.
 * @throws {AppError} `usage` when the file cannot be read, or is empty.
 */
export function secretIn(
  file: string | null,
  variable: string | undefined,
  setting: { flag: string },
): string | null {
  if (file === null) return variable?.trim() || null
  const flag = setting.flag.split(' ')[0]
  let text: string
  try {
    text = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const message = `The file ${file} cannot be read (${flag}): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
  if (text === '') throw new AppError('usage', `The file ${file} is empty (${flag}).`)
  return text
}
