import { createHmac, timingSafeEqual } from 'node:crypto'
import { API } from '../../shared/wire.ts'

/**
 * The callback URLs for the MoRAG server, one for each end of a job. Its versions send no credentials, so the path is
 * signed with the webhooks' secret.
 */
export class CallbackUrls {
  readonly #base: string
  readonly #secret: string

  /** @param base the coordinator's URL for the server, without a trailing slash. */
  constructor(base: string, secret: string) {
    this.#base = base
    this.#secret = secret
  }

  of(jobId: string, continuationId: string): string {
    return `${this.#base}${API}/ingestion/callbacks/${jobId}/${this.#sign(jobId, continuationId)}`
  }

  isGenuine(jobId: string, continuationId: string, token: string): boolean {
    const expected = Buffer.from(this.#sign(jobId, continuationId))
    const given = Buffer.from(token)
    return expected.length === given.length && timingSafeEqual(expected, given)
  }

  #sign(jobId: string, continuationId: string): string {
    const text = `ingestion callback ${jobId} ${continuationId}`
    return createHmac('sha256', this.#secret).update(text).digest('base64url')
  }
}
