import { ProxyAgent, request, type Dispatcher } from 'undici'
import { Webhook } from 'standardwebhooks'
import { bodyText } from '../../shared/body-text.ts'
import { DAY, SECOND } from '../../shared/duration.ts'
import { patientPool } from '../../shared/paused-parser.ts'
import { messageOf } from '../../shared/errors.ts'
import { writeJson } from '../../shared/exact-json.ts'
import { retryAfterSeconds } from '../../shared/backoff.ts'
import { networkReason } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { VERSION } from '../../shared/version.ts'
import type { WebhookTarget } from '../job/ingestion.ts'
import type { Tried } from '../job/continuation.ts'
import type { AddressGuard } from './address-guard.ts'
import { redacted, secretsInUrl } from './redacted.ts'
import { checkWebhook } from './webhook-target.ts'

export interface WebhookSenderOptions {
  /** `whsec_…`, for targets without a secret of their own. */
  secret: string
  guard: AddressGuard
  /** Resolves host names itself, so the guard checks literal addresses only. Default: no proxy. */
  proxy?: string | null
  now: () => number
}

const TIMEOUT_MS = 30 * SECOND
/** An answer is read for its error message only. */
const MAX_ANSWER_BYTES = 64 * 1024

/** Posts webhooks, signed as the Standard Webhooks specification says. Redirects are not followed. */
export class WebhookSender {
  readonly #options: WebhookSenderOptions
  readonly #dispatcher: Dispatcher

  constructor(options: WebhookSenderOptions) {
    const { guard, proxy = null } = options
    this.#options = options
    this.#dispatcher =
      proxy === null
        ? guard.dispatcher()
        : new ProxyAgent({ uri: proxy, proxyTunnel: false, factory: patientPool })
  }

  /**
   * Posts one message.
   * @param id the `webhook-id`: the same for every delivery of the same message.
   * @throws the signal's reason when aborted; any other failure is in the result.
   */
  async send(
    target: WebhookTarget,
    id: string,
    payload: object,
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Tried> {
    const { guard, secret, now } = this.#options
    try {
      checkWebhook(target, guard)
    } catch (error) {
      return failed(messageOf(error))
    }
    const body = writeJson(payload)
    const sentAt = new Date(now())
    const signature = new Webhook(target.secret ?? secret).sign(id, sentAt, body)
    const timeout = timeoutSignal(timeoutMs)
    try {
      const answer = await request(target.url, {
        method: 'POST',
        dispatcher: this.#dispatcher,
        signal: AbortSignal.any([signal, timeout]),
        headers: {
          'content-type': 'application/json',
          'user-agent': `morag-coordinator/${VERSION}`,
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(sentAt.getTime() / SECOND)),
          'webhook-signature': signature,
          ...(target.authToken !== null && { authorization: `Bearer ${target.authToken}` }),
        },
        body,
      })
      const { text } = await bodyText(answer.body, MAX_ANSWER_BYTES)
      const said = redacted(text, [target.authToken, signature, ...secretsInUrl(target.url)])
      return outcomeOf(answer, said, now())
    } catch (error) {
      if (signal.aborted) throw error
      return failed(timeout.aborted ? 'The receiver took too long.' : reasonOf(error))
    }
  }
}

function outcomeOf(
  { statusCode: status, headers }: Dispatcher.ResponseData,
  text: string,
  now: number,
): Tried {
  if (status >= 200 && status < 300) return { done: true }
  const word = printable(text, { most: 200 })
  const what =
    status >= 300 && status < 400
      ? `${status}, a redirect, which is not followed`
      : word === ''
        ? String(status)
        : `${status}: ${word}`
  const seconds = retryAfterSeconds(headers['retry-after'], now, DAY / SECOND)
  return {
    done: false,
    message: `The receiver answered ${what}.`,
    // 410 Gone: it wants no more of this.
    final: status === 410,
    retryAfterMs: seconds === undefined ? null : seconds * SECOND,
  }
}

function reasonOf(error: unknown): string {
  return `The webhook could not be reached: ${networkReason(error)}.`
}

function failed(message: string): Tried {
  return { done: false, message, final: false, retryAfterMs: null }
}
