import { randomBytes } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import type { SecretStore } from '../storage/secrets.ts'

const PREFIX = 'whsec_'
const NAME = 'webhook-secret'
/** As the Standard Webhooks specification requires. */
export const SECRET_FORM = `'${PREFIX}' and 24 to 64 bytes in Base64`

export function isWebhookSecret(text: string): boolean {
  const bare = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : ''
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(bare)) return false
  const { length } = Buffer.from(bare, 'base64')
  return length >= 24 && length <= 64
}

/**
 * The secret for webhook signatures: the configured one, else one that is generated once and kept.
 * @throws {AppError} `usage` when it is malformed.
 */
export async function loadWebhookSecret(
  configured: string | null,
  secrets: SecretStore,
): Promise<string> {
  const secret = configured ?? ((await kept(secrets)) || (await make(secrets)))
  if (isWebhookSecret(secret)) return secret
  const where = configured === null ? `in ${secrets.placeOf(NAME)}` : 'that is set'
  throw new AppError('usage', `The webhook secret ${where} is not ${SECRET_FORM}.`)
}

async function kept(secrets: SecretStore): Promise<string> {
  return (await secrets.read(NAME))?.toString('utf8').trim() ?? ''
}

async function make(secrets: SecretStore): Promise<string> {
  const secret = PREFIX + randomBytes(32).toString('base64')
  return (await secrets.keep(NAME, Buffer.from(`${secret}\n`))).toString('utf8').trim()
}
