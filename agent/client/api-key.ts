import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'

const CREDENTIAL = 'morag-api-key'

export interface KeySources {
  file: string | undefined
  environment: NodeJS.ProcessEnv
  stored: string
}

/**
 * The key for a coordinator: from the named file, else from systemd's credentials, else from `MORAG_API_KEY`, else the
 * one that `register` has stored; null: none. The variable is removed, so that no child process inherits it.
 * @throws {AppError} `usage` when a file cannot be read, or holds no key.
 */
export function readApiKey({ file, environment, stored }: KeySources): string | null {
  const fromEnvironment = environment['MORAG_API_KEY']?.trim()
  delete environment['MORAG_API_KEY']
  if (file !== undefined) return keyIn(file, ' (--api-key-file, MORAG_API_KEY_FILE)')
  const folder = environment['CREDENTIALS_DIRECTORY']
  const credential = folder ? path.join(folder, CREDENTIAL) : null
  if (credential !== null && existsSync(credential)) return keyIn(credential)
  if (fromEnvironment) return fromEnvironment
  return existsSync(stored) ? keyIn(stored) : null
}

export function keyIn(file: string, flag = ''): string {
  let key: string
  try {
    key = readFileSync(file, 'utf8').trim()
  } catch (error) {
    const message = `The key file ${file} cannot be read${flag}: ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
  if (/^[\x21-\x7e]+$/.test(key)) return key
  throw new AppError('usage', `The key file ${file} does not hold one key on one line.`)
}
