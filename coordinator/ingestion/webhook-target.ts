import { invalid, type AppError } from '../../shared/errors.ts'
import { isTrue } from '../../shared/wire-fields.ts'
import type { WebhookTarget } from '../job/ingestion.ts'
import type { AddressGuard } from './address-guard.ts'
import { recordOf, textOf, type Asked } from './ingest-options.ts'
import { isWebhookSecret, SECRET_FORM } from './webhook-secret.ts'

const MAX_URL = 2_000

/**
 * The webhook of a job: its ingestion's, else the original's options `webhook_url` (with `webhook_auth_token`,
 * `webhook_secret`, `webhook_progress`) or `webhook_config {url, auth_token, secret, progress}`; null when it has none.
 */
export function webhookOf({ ingestion, taskOptions }: Asked): WebhookTarget | null {
  if (ingestion?.webhook) return ingestion.webhook
  const flat = {
    url: taskOptions['webhook_url'],
    auth_token: taskOptions['webhook_auth_token'],
    secret: taskOptions['webhook_secret'],
    progress: taskOptions['webhook_progress'],
  }
  const { url, auth_token, secret, progress } =
    flat.url === undefined ? (recordOf(taskOptions['webhook_config']) ?? {}) : flat
  if (typeof url !== 'string' || url === '') return null
  const authToken = textOf(auth_token)
  return { url, authToken, secret: textOf(secret), progress: isTrue(progress) }
}

/**
 * Checks a target without sending anything.
 * @param taskOptions given when the target is part of them: problems then name the option.
 * @throws {AppError} `invalid`
 */
export function checkWebhook(
  { url, secret }: WebhookTarget,
  guard: AddressGuard,
  taskOptions: Record<string, unknown> | null = null,
): void {
  const refused = (field: 'url' | 'secret', msg: string): AppError =>
    invalid(msg, ['body', ...placeOf(field, taskOptions)])
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

function placeOf(field: string, taskOptions: Record<string, unknown> | null): string[] {
  if (taskOptions === null) return ['webhook_config', field]
  const isFlat = taskOptions['webhook_url'] !== undefined
  return ['task_options', ...(isFlat ? [`webhook_${field}`] : ['webhook_config', field])]
}
