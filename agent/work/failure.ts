import {
  AppError,
  isDiskFull,
  isRetryable,
  isSystemError,
  messageOf,
  type ErrorCode,
} from '../../shared/errors.ts'
import type { ResultRequest } from '../../shared/wire.ts'
import { Refusal } from '../../shared/refusal.ts'

/** Refusals that are about the source; any other is not about the job. */
const OF_THE_SOURCE: readonly ErrorCode[] = ['source_missing', 'source_changed', 'too_large']

const OF_OUR_FILES = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ESTALE']

export function failureOf(error: unknown, processingTime: number): ResultRequest {
  return { success: false, processingTime, ...reasonOf(error) }
}

function reasonOf(error: unknown): Pick<ResultRequest, 'errorCode' | 'errorMessage' | 'retryable'> {
  if (error instanceof Refusal && !OF_THE_SOURCE.includes(error.code)) {
    // A key that was changed meanwhile, for example, ends this download, not the job.
    return { errorCode: 'download_failed', errorMessage: error.message, retryable: true }
  }
  if (isDiskFull(error)) {
    const errorMessage = 'The disk of the agent is full.'
    return { errorCode: 'no_space', errorMessage, retryable: true }
  }
  // The agent has just written it: that it is gone is the machine's fault.
  const isGone =
    error instanceof AppError && error.code === 'source_missing' && !(error instanceof Refusal)
  if (isGone || isSystemError(error, ...OF_OUR_FILES)) {
    const why = isSystemError(error, ...OF_OUR_FILES) ? ` (${error.code})` : ''
    const errorMessage = `A file in the work folder of the agent is missing or cannot be used${why}: check that --work-dir (MORAG_TEMP_DIR) is writable and that nothing cleans it up.`
    return { errorCode: 'work_dir_failed', errorMessage, retryable: true }
  }
  const errorCode = error instanceof AppError ? error.code : 'internal'
  return { errorCode, errorMessage: messageOf(error), retryable: isRetryable(error) }
}

/** Whether an error means that the attempt is no longer this agent's: then there is nothing to report. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Refusal)) return false
  return ['forbidden', 'lease_lost', 'not_found'].includes(error.code)
}
