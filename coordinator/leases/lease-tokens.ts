import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import type { Job } from '../job/job.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { syncDirectory } from '../storage/sync.ts'

/** What a token allows: all that an attempt may do, or only to fetch its source. */
export type Purpose = 'lease' | 'download'

const SECRET_BYTES = 32

/** Which job: an id alone may be that of a job that is gone, as an `Idempotency-Key` makes the same one again. */
type Named = Pick<Job, 'jobId' | 'createdAt'>

/**
 * The proof that a worker holds an attempt: `<attempt>.<HMAC-SHA256 over purpose, job and attempt>`. Tokens follow from
 * the coordinator's secret, so none is stored, a repeated claim gets the same one and a restart costs nobody the lease.
 */
export class LeaseTokens {
  readonly #secret: Buffer

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  /** The secret of this data folder (`secret`, mode 0600), made at the first start. */
  static async load(dir: string): Promise<LeaseTokens> {
    const file = path.join(dir, 'secret')
    const stored = await readFile(file).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    })
    if (stored?.length === SECRET_BYTES) return new LeaseTokens(stored)
    const made = randomBytes(SECRET_BYTES)
    // What a crash left of one may have another mode.
    await rm(file, { force: true })
    await writeFile(file, made, { mode: PRIVATE_FILE, flush: true })
    await syncDirectory(dir)
    return new LeaseTokens(made)
  }

  issue(purpose: Purpose, job: Named, attempt: number): string {
    return `${attempt}.${this.#sign(purpose, job, attempt).toString('base64url')}`
  }

  /** The attempt that a token stands for, or null when it is not one of ours for this job. */
  read(purpose: Purpose, job: Named, token: string): number | null {
    const parts = /^([1-9]\d{0,8})\.([\w-]{43})$/.exec(token)
    if (parts === null) return null
    const attempt = Number(parts[1])
    const given = Buffer.from(parts[2]!, 'base64url')
    const right = this.#sign(purpose, job, attempt)
    return given.length === right.length && timingSafeEqual(given, right) ? attempt : null
  }

  #sign(purpose: Purpose, { jobId, createdAt }: Named, attempt: number): Buffer {
    const text = `${purpose}\n${jobId}\n${createdAt}\n${attempt}`
    return createHmac('sha256', this.#secret).update(text).digest()
  }
}
