import type { z } from 'zod'
import type { statusAnswer } from '../../shared/wire.ts'

type Status = z.input<typeof statusAnswer>

/** What a coordinator says of a job that waits. */
export function jobStatus(jobId: string, more: Partial<Status> = {}): Status {
  return {
    job_id: jobId,
    status: 'pending',
    worker_id: null,
    created_at: '2026-01-01T00:00:00Z',
    started_at: null,
    completed_at: null,
    error_message: null,
    retry_count: 0,
    estimated_completion: null,
    error_code: null,
    stage: null,
    progress: null,
    queue_position: 1,
    attempt: 0,
    ...more,
  }
}
