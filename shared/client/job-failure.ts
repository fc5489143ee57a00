import { MoragError } from './error.ts'
import type { JobStatus } from './types.ts'

/** @param job that has ended, and not completed. */
export function jobFailure(job: JobStatus): MoragError {
  const { job_id: id, status, error_code: code, error_message: message } = job
  return new MoragError(
    code ?? (status === 'completed' || status === 'pending' ? 'internal' : status),
    `Job ${id} is ${status}${message === null ? '.' : `: ${message}`}`,
    { job },
  )
}
