import type { TaskAnswer } from '../../shared/wire-ingestion.ts'
import { enter, leave, type Groups } from '../groups.ts'
import type { Job } from '../job/job.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'

/** Finds jobs by task id, which a client may use for several. */
export class Tasks implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #ids: Groups<string> = new Map()

  constructor(jobs: Jobs) {
    this.#jobs = jobs
    for (const job of jobs.newest()) this.onChange(null, job)
  }

  onChange(before: Job | null, after: Job | null): void {
    if (before === null && after !== null) enter(this.#ids, after.ingestionTaskId, after.jobId)
    else if (after === null && before !== null)
      leave(this.#ids, before.ingestionTaskId, before.jobId)
  }

  /** Newest first. */
  find(taskId: string, fits: (job: Job) => boolean): Job[] {
    const found = Array.from(this.#ids.get(taskId) ?? [], (jobId) => this.#jobs.find(jobId))
    return found
      .filter((job) => job !== undefined)
      .filter(fits)
      .toReversed()
      .toSorted((a, b) => b.createdAt - a.createdAt)
  }
}

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
