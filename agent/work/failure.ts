import {
  AppError,
  isDiskFull,
  isRetryable,
  isSystemError,
  messageOf,
  type ErrorCode,
} from '../../shared/errors.ts'
import type { ResultRequest } from '../../shared/wire.ts'
import { Refusal } from '../client/retry.ts'

/** What a coordinator's refusal says of the source itself; any other one says nothing of the job. */
const OF_THE_SOURCE: readonly ErrorCode[] = ['source_missing', 'source_changed', 'too_large']

/** What a disk says of the agent's own files. */
const OF_OUR_FILES = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'ESTALE']

/** What the coordinator is told of an attempt that failed. */
export function failureOf(error: unknown, processingTime: number): ResultRequest {
  return { success: false, processingTime, ...told(error) }
}

function told(error: unknown): Pick<ResultRequest, 'errorCode' | 'errorMessage' | 'retryable'> {
  if (error instanceof Refusal && !OF_THE_SOURCE.includes(error.code)) {
    // A key that was changed meanwhile, say, ends this download, but not the job for good.
    return { errorCode: 'download_failed', errorMessage: error.message, retryable: true }
  }
  if (isDiskFull(error)) {
    return {
      errorCode: 'no_space',
      errorMessage: 'The disk of the agent is full.',
      retryable: true,
    }
  }
  // It was downloaded a moment ago, or made here: that it is gone is the machine's fault.
  const isGone =
    error instanceof AppError && error.code === 'source_missing' && !(error instanceof Refusal)
  if (isGone || isSystemError(error, ...OF_OUR_FILES)) {
    const why = isSystemError(error, ...OF_OUR_FILES) ? ` (${error.code})` : ''
    const errorMessage = `A file in the work folder of the agent is gone, or may not be used${why}: see that its --work-dir (MORAG_TEMP_DIR) can be written to and that nothing cleans it up.`
    return { errorCode: 'work_dir_failed', errorMessage, retryable: true }
  }
  const errorCode = error instanceof AppError ? error.code : 'internal'
  return { errorCode, errorMessage: messageOf(error), retryable: isRetryable(error) }
}

/** Whether an error means that the attempt is no longer ours: then there is nothing to report. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof Refusal)) return false
  return ['forbidden', 'lease_lost', 'not_found'].includes(error.code)
}
