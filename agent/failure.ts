import { AppError, isRetryable, messageOf } from '../shared/errors.ts'
import type { ResultRequest } from '../shared/wire.ts'
import { Refusal } from './retry.ts'

/** What the coordinator is told of an attempt that failed. */
export function failureOf(error: unknown, processingTime: number): ResultRequest {
  return {
    success: false,
    errorCode: error instanceof AppError ? error.code : 'internal',
    errorMessage: messageOf(error),
    retryable: isRetryable(error),
    processingTime,
  }
}

/** Whether an error means that the attempt is no longer ours: then there is nothing to report. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Refusal)) return false
  return ['forbidden', 'lease_lost', 'not_found'].includes(error.code)
}
