import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/replace-file.ts'

const PREFIX = 'whsec_'
/** As the Standard Webhooks specification requires. */
export const SECRET_FORM = `'${PREFIX}' and 24 to 64 bytes in Base64`

export function isWebhookSecret(text: string): boolean {
  const bare = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : ''
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(bare)) return false
  const { length } = Buffer.from(bare, 'base64')
  return length >= 24 && length <= 64
}

/**
 * The secret for webhook signatures: the configured one, else one that is generated once and kept in the data folder.
 * @throws {AppError} `usage` when it is malformed.
 */
export async function loadWebhookSecret(
  configured: string | null,
  dataDir: string,
): Promise<string> {
  const file = path.join(dataDir, 'webhook-secret')
  const secret = configured ?? (await kept(file)) ?? (await make(file))
  if (isWebhookSecret(secret)) return secret
  const where = configured === null ? `in ${file}` : 'that is set'
  throw new AppError('usage', `The webhook secret ${where} is not ${SECRET_FORM}.`)
}

async function kept(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim() || null
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}

async function make(file: string): Promise<string> {
  const secret = PREFIX + randomBytes(32).toString('base64')
  await replaceFile(file, `${secret}\n`)
  return secret
}
