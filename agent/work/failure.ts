import {
  AppError,
  isDiskFull,
  isRetryable,
  messageOf,
  type ErrorCode,
} from '../../shared/errors.ts'
import type { ResultRequest } from '../../shared/wire.ts'
import { Refusal } from '../client/retry.ts'

/** What a coordinator's refusal says of the source itself; any other one says nothing of the job. */
const OF_THE_SOURCE: readonly ErrorCode[] = ['source_missing', 'source_changed', 'too_large']

/** What the coordinator is told of an attempt that failed. */
export function failureOf(error: unknown, processingTime: number): ResultRequest {
  // A key that was changed meanwhile, say, ends this download, but not the job for good.
  const refused = error instanceof Refusal && !OF_THE_SOURCE.includes(error.code)
  return {
    success: false,
    errorCode: refused ? 'download_failed' : codeOf(error),
    errorMessage: messageOf(error),
    retryable: refused || isRetryable(error),
    processingTime,
  }
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof AppError) return error.code
  return isDiskFull(error) ? 'no_space' : 'internal'
}

/** Whether an error means that the attempt is no longer ours: then there is nothing to report. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Refusal)) return false
  return ['forbidden', 'lease_lost', 'not_found'].includes(error.code)
}
