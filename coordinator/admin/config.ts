import { existsSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { secretIn } from '../../shared/secret-file.ts'
import { valuesOf } from '../../shared/settings.ts'
import { ADMIN } from '../settings.ts'

export interface AdminSettings {
  url: string
  apiKey: string | null
}

/** @throws {AppError} `usage` if the key file cannot be read. */
export function adminSettings(flags: object): AdminSettings {
  const { url, apiKeyFile } = valuesOf({ ...flags }, ADMIN)
  return { url, apiKey: secretIn(apiKeyFile, process.env['MORAG_API_KEY'], ADMIN.apiKeyFile) }
}

/** The absolute path of a directory. @throws {AppError} `usage` if it does not exist. */
export function existingFolder(folder: string): string {
  const full = path.resolve(folder)
  if (existsSync(full)) return full
  throw new AppError('usage', `Directory ${full} does not exist.`)
}
