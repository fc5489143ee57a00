import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Job } from '../job/job.ts'
import type { SecretStore } from '../storage/secrets.ts'

/** `lease`: all that an attempt may do. `download`: to fetch its source. */
export type Purpose = 'lease' | 'download'

const SECRET_BYTES = 32

/** A job's id alone may be reused: an `Idempotency-Key` makes the same one again. */
type JobRef = Pick<Job, 'jobId' | 'createdAt'>

/**
 * The proof that a worker holds an attempt: `<attempt>.<HMAC-SHA256 over purpose, job and attempt>`. Derived from the
 * secret, so none is stored, a repeated claim gets the same one, and leases survive a restart.
 */
export class LeaseTokens {
  readonly #secret: Buffer

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  /** With the secret of that name, which is made when there is none. */
  static async load(secrets: SecretStore): Promise<LeaseTokens> {
    const stored = await secrets.read('secret')
    if (stored?.length === SECRET_BYTES) return new LeaseTokens(stored)
    return new LeaseTokens(await secrets.keep('secret', randomBytes(SECRET_BYTES)))
  }

  issue(purpose: Purpose, job: JobRef, attempt: number): string {
    return `${attempt}.${this.#sign(purpose, job, attempt).toString('base64url')}`
  }

  /** The attempt of a token; null for a token that is not of this job. */
  read(purpose: Purpose, job: JobRef, token: string): number | null {
    const parts = /^([1-9]\d{0,8})\.([\w-]{43})$/.exec(token)
    if (parts === null) return null
    const attempt = Number(parts[1])
    const given = Buffer.from(parts[2]!, 'base64url')
    const right = this.#sign(purpose, job, attempt)
    return given.length === right.length && timingSafeEqual(given, right) ? attempt : null
  }

  #sign(purpose: Purpose, { jobId, createdAt }: JobRef, attempt: number): Buffer {
    const text = `${purpose}\n${jobId}\n${createdAt}\n${attempt}`
    return createHmac('sha256', this.#secret).update(text).digest()
  }
}
