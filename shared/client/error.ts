import { MOST_QUOTA_WAIT_SECONDS } from '../backoff.ts'
import type { ErrorCode, JobStatus } from './types.ts'

interface ErrorFacts {
  status?: number | undefined
  retryable?: boolean | undefined
  retryAfterSeconds?: number | undefined
  job?: JobStatus | undefined
  cause?: unknown
}

/**
 * Every failure that can be expected: the coordinator refused, it could not be reached, or the job has no transcript. A
 * call that was aborted rejects with its signal's reason instead.
 */
export class MoragError extends Error {
  override readonly name = 'MoragError'
  /** The coordinator's or the job's own; `unavailable` when no coordinator answered. */
  readonly code: ErrorCode | (string & {})
  /** Of HTTP; 0: no answer came, or the job has failed. */
  readonly status: number
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** As the coordinator asked. */
  readonly retryAfterSeconds: number | undefined
  /** The job that ended without a transcript. */
  readonly job: JobStatus | undefined

  constructor(code: ErrorCode | (string & {}), message: string, facts: ErrorFacts = {}) {
    super(message, { cause: facts.cause })
    const { status = 0, retryAfterSeconds = 0 } = facts
    const isQuotaOfDay = code === 'quota_exceeded' && retryAfterSeconds > MOST_QUOTA_WAIT_SECONDS
    this.code = code
    this.status = status
    this.retryable =
      facts.retryable ?? (status === 408 || (status === 429 && !isQuotaOfDay) || status >= 500)
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.job = facts.job
  }
}
