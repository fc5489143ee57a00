import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { InvalidArgumentError, type Command } from 'commander'
import { AppError, messageOf } from '../../shared/errors.ts'
import { setting } from '../../shared/settings.ts'

/** Where the coordinator is that a command is for, and the key for it. */
export interface AdminSettings {
  url: string
  apiKey: string | null
}

const DEFAULT_URL = 'http://127.0.0.1:8000'

/** Gives a command the flags of {@link adminSettings}. */
export function addAdminSettings(command: Command): Command {
  return command
    .addOption(
      setting('--url <url>', 'the coordinator', 'MORAG_API_BASE_URL')
        .argParser(coordinatorUrl)
        .default(DEFAULT_URL),
    )
    .addOption(
      setting(
        '--api-key-file <file>',
        'file that holds its key (the key itself: env MORAG_API_KEY)',
        'MORAG_API_KEY_FILE',
      ),
    )
}

/** @throws {AppError} `usage` when the key's file cannot be read. */
export function adminSettings(flags: { url: string; apiKeyFile?: string }): AdminSettings {
  const { url, apiKeyFile } = flags
  if (apiKeyFile === undefined) return { url, apiKey: process.env['MORAG_API_KEY']?.trim() || null }
  try {
    return { url, apiKey: readFileSync(apiKeyFile, 'utf8').trim() }
  } catch (error) {
    const message = `The key's file ${apiKeyFile} cannot be read (--api-key-file): ${messageOf(error)}.`
    throw new AppError('usage', message, { cause: error })
  }
}

/** The full path of a folder that has to be there. @throws {AppError} `usage` */
export function existingFolder(folder: string): string {
  const full = path.resolve(folder)
  if (existsSync(full)) return full
  throw new AppError('usage', `There is no folder ${full}.`)
}

function coordinatorUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '')
    throw new InvalidArgumentError(`'${text}' is not a coordinator's URL: write http://host:port.`)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
}
