import { AppError } from '../../shared/errors.ts'
import type { Job } from '../job/job.ts'
import type { WebhookTarget } from '../job/ingestion.ts'
import type { AddressGuard } from './address-guard.ts'
import { isWebhookSecret, SECRET_FORM } from './webhook-secret.ts'

const MAX_URL = 2_000

/**
 * Where the news of a job's end goes: what its ingestion says, else the original's options `webhook_url` (with
 * `webhook_auth_token`, `webhook_secret`) or `webhook_config {url, auth_token, secret}`; null: nowhere.
 */
export function webhookOf({
  ingestion,
  taskOptions,
}: Pick<Job, 'ingestion' | 'taskOptions'>): WebhookTarget | null {
  if (ingestion?.webhook) return ingestion.webhook
  const flat = {
    url: taskOptions['webhook_url'],
    auth_token: taskOptions['webhook_auth_token'],
    secret: taskOptions['webhook_secret'],
  }
  const { url, auth_token, secret } = flat.url === undefined ? config(taskOptions) : flat
  if (typeof url !== 'string' || url === '') return null
  return { url, authToken: textOf(auth_token), secret: textOf(secret) }
}

/**
 * @param taskOptions where the target stands in them: refusals name its field.
 * @throws {AppError} `invalid` for what can be told of a target before anything is sent there.
 */
export function checkWebhook(
  { url, secret }: WebhookTarget,
  guard: AddressGuard,
  taskOptions: Record<string, unknown> | null = null,
): void {
  const refused = (field: 'url' | 'secret', msg: string): AppError => {
    const problems = [{ loc: ['body', ...placeOf(field, taskOptions)], msg, type: 'value_error' }]
    return new AppError('invalid', msg, { problems })
  }
  if (secret !== null && !isWebhookSecret(secret))
    throw refused('secret', `The webhook's secret is not ${SECRET_FORM}.`)
  const parsed = url.length <= MAX_URL && URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol))
    throw refused('url', 'The webhook is not an http or https address.')
  if (parsed.username !== '' || parsed.password !== '')
    throw refused('url', 'Take the name and password out of the webhook: use its auth_token.')
  const why = guard.whyNot(parsed)
  if (why !== null) throw refused('url', why)
}

function config(options: Record<string, unknown>): Record<string, unknown> {
  const value = options['webhook_config']
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function placeOf(field: string, taskOptions: Record<string, unknown> | null): string[] {
  if (taskOptions === null) return ['webhook_config', field]
  const isFlat = taskOptions['webhook_url'] !== undefined
  return ['task_options', ...(isFlat ? [`webhook_${field}`] : ['webhook_config', field])]
}
