import type { IncomingHttpHeaders } from 'node:http'
import { request, type Dispatcher } from 'undici'
import { z } from 'zod'
import { tryJson } from '../../shared/body-text.ts'
import { interceptedText, isOfCoordinator } from '../../shared/coordinator-mark.ts'
import { SECOND } from '../../shared/duration.ts'
import { dispatcherFor } from '../../shared/env-proxy.ts'
import { AppError, isErrorCode } from '../../shared/errors.ts'
import { fromWire, toWire, type FromWire } from '../../shared/keys.ts'
import { isNetworkError, networkReason, schemeHint } from '../../shared/network.ts'
import { API, errorAnswer } from '../../shared/wire.ts'

const TIMEOUT_MS = 60 * SECOND

/** Client for the operator's commands. It does not retry: the operator can. */
export class AdminClient {
  readonly #settings: { url: string; apiKey: string | null }
  readonly #agent: Dispatcher

  constructor(settings: { url: string; apiKey: string | null }) {
    this.#settings = settings
    this.#agent = dispatcherFor(settings.url, { connect: { timeout: 10 * SECOND } })
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  /**
   * One request; `route` is relative to the API's root. Keys of the answer become camelCase.
   * @throws {AppError} with the coordinator's code and message; `unavailable` if it does not answer.
   */
  async ask<S extends z.ZodType>(
    method: 'GET' | 'POST' | 'DELETE',
    route: string,
    schema: S,
    body?: unknown,
  ): Promise<FromWire<z.output<S>>> {
    const text = await this.#text(method, route, body)
    const parsed = schema.safeParse(tryJson(text))
    if (parsed.success) return fromWire(parsed.data)
    const message = `Unexpected answer from ${this.#settings.url}: ${z.prettifyError(parsed.error)}`
    throw new AppError('internal', message, { cause: parsed.error })
  }

  async #text(method: 'GET' | 'POST' | 'DELETE', route: string, body: unknown): Promise<string> {
    const { url, apiKey } = this.#settings
    try {
      const answer = await request(`${url}${API}${route}`, {
        method,
        dispatcher: this.#agent,
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        headers: {
          ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(toWire(body)) }),
      })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw this.#refusal(answer.statusCode, answer.headers, text)
      return text
    } catch (error) {
      if (error instanceof AppError || !isNetworkError(error)) throw error
      const usual = 'Start it with morag-coordinator serve, or set another address with --url.'
      const fix = schemeHint(error, url) ?? usual
      const message = `Cannot reach the coordinator at ${url}: ${networkReason(error)}. ${fix}`
      throw new AppError('unavailable', message, { cause: error })
    }
  }

  #refusal(status: number, headers: IncomingHttpHeaders, text: string): AppError {
    const { url } = this.#settings
    const { code, detail } = errorAnswer.safeParse(tryJson(text)).data ?? {}
    if (!isOfCoordinator(headers, code)) {
      // A redirect is not followed: the key would go to another host.
      const to = status < 400 ? ` It redirects to ${[headers['location']].flat()[0]}.` : ''
      const message = `Cannot reach the coordinator at ${url}: something else answered ${interceptedText(status, headers, text)}.${to} Check the proxy before it, or set another address with --url.`
      return new AppError('unavailable', message)
    }
    const reason = typeof detail === 'string' ? detail : JSON.stringify(detail ?? status)
    const hint =
      status === 401 || status === 403 ? ' Set a key with --api-key-file or MORAG_API_KEY.' : ''
    const known = isErrorCode(code) ? code : status === 401 ? 'unauthorized' : 'bad_request'
    return new AppError(known, `${reason}${hint}`)
  }
}
