import type { z } from 'zod'
import { Connection } from '../../shared/connection.ts'
import { toWire, type FromWire } from '../../shared/keys.ts'
import { API } from '../../shared/wire.ts'

/** Client for the operator's commands. It does not retry: the operator can. */
export class AdminClient {
  readonly #connection: Connection

  constructor(settings: { url: string; apiKey: string | null }) {
    const keyHint = 'Set a key with --api-key-file or MORAG_API_KEY.'
    const userAgent = 'morag-coordinator'
    this.#connection = new Connection({ ...settings, keyHint, userAgent, retries: 0 })
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  /**
   * One request; `route` is relative to the API's root. Keys of the answer become camelCase.
   * @throws {AppError} as {@link Connection.ask}.
   */
  async ask<S extends z.ZodType>(
    method: 'GET' | 'POST' | 'DELETE',
    route: string,
    schema: S,
    body?: unknown,
  ): Promise<FromWire<z.output<S>>> {
    const headers = { 'content-type': 'application/json' }
    const content = body === undefined ? {} : { headers, body: JSON.stringify(toWire(body)) }
    return await this.#connection.ask(schema, `${API}${route}`, { method, ...content })
  }
}
