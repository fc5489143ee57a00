import type { TaskAnswer } from '../../shared/wire-ingestion.ts'
import type { Job } from '../job/job.ts'

/** A job's state in Celery's words, which the original's clients know. */
export function celeryState(job: Job): TaskAnswer['status'] {
  switch (job.status) {
    case 'pending':
      return job.retryCount > 0 ? 'RETRY' : 'PENDING'
    case 'processing':
      return 'STARTED'
    case 'completed':
      return 'SUCCESS'
    case 'cancelled':
      return 'REVOKED'
    default:
      return 'FAILURE'
  }
}

/** A job's state in the original's own words. */
export function taskState({ status }: Job): TaskAnswer['state'] {
  if (status === 'processing') return 'running'
  return status === 'timeout' ? 'failed' : status
}
