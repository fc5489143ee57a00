import { createHmac, timingSafeEqual } from 'node:crypto'
import { API } from '../../shared/wire.ts'

/**
 * Where the MoRAG server calls back about one end of a job: a path that only it is told, signed with the webhooks'
 * secret. Its versions show a callback no more than the address.
 */
export class CallbackUrls {
  readonly #base: string
  readonly #secret: string

  /** @param base this coordinator as the server reaches it, without a slash at the end. */
  constructor(base: string, secret: string) {
    this.#base = base
    this.#secret = secret
  }

  of(jobId: string, continuationId: string): string {
    return `${this.#base}${API}/ingestion/callbacks/${jobId}/${this.#sign(jobId, continuationId)}`
  }

  isGenuine(jobId: string, continuationId: string, token: string): boolean {
    const right = Buffer.from(this.#sign(jobId, continuationId))
    const shown = Buffer.from(token)
    return right.length === shown.length && timingSafeEqual(right, shown)
  }

  #sign(jobId: string, continuationId: string): string {
    const text = `ingestion callback ${jobId} ${continuationId}`
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }
}
