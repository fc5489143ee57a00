import { existsSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { secretIn } from '../../shared/secret-file.ts'
import { valuesOf } from '../../shared/setting-table.ts'
import { ADMIN } from '../settings.ts'

/** Where the coordinator is that a command is for, and the key for it. */
export interface AdminSettings {
  url: string
  apiKey: string | null
}

/** @throws {AppError} `usage` when the key's file cannot be read. */
export function adminSettings(flags: object): AdminSettings {
  const { url, apiKeyFile } = valuesOf({ ...flags }, ADMIN)
  return { url, apiKey: secretIn(apiKeyFile, process.env['MORAG_API_KEY'], ADMIN.apiKeyFile) }
}

/** The full path of a folder that has to be there. @throws {AppError} `usage` */
export function existingFolder(folder: string): string {
  const full = path.resolve(folder)
  if (existsSync(full)) return full
  throw new AppError('usage', `There is no folder ${full}.`)
}
