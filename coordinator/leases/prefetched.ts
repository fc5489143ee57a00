import { AppError } from '../../shared/errors.ts'
import { lastAttempt, type Job, type ProcessingJob } from '../job/job.ts'
import { meets, requirementsOf } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { Wish } from './long-polls.ts'
import type { Workers } from './workers.ts'

/** The jobs that workers have got ready and that wait for a slot there: an idle worker may have them instead. */
export class Prefetched {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #waiting = new Set<string>()

  /** @param onWaits called when one begins to wait. */
  constructor(jobs: Jobs, workers: Workers, onWaits: (job: ProcessingJob) => void) {
    this.#jobs = jobs
    this.#workers = workers
    for (const job of jobs.inStatus('processing'))
      if (waitsForSlot(job)) this.#waiting.add(job.jobId)
    const changed = (before: Job | null, after: Job | null): void => {
      const jobId = (after ?? before)?.jobId
      if (jobId === undefined) return
      if (after === null || !waitsForSlot(after)) return void this.#waiting.delete(jobId)
      if (this.#waiting.has(jobId)) return
      this.#waiting.add(jobId)
      onWaits(after)
    }
    jobs.onChange(changed)
    jobs.onDetail(changed)
  }

  /** Puts one back into the queue that still waits; its worker hears of it at its next heartbeat. */
  async takeBack({ jobId, attempts }: ProcessingJob): Promise<void> {
    const event = { type: 'take_back', attempt: attempts.at(-1)!.number } as const
    await this.#jobs.apply(jobId, event).catch((error: unknown) => {
      // It was deleted meanwhile.
      if (!(error instanceof AppError && error.code === 'not_found')) throw error
    })
  }

  /** The best of them that a worker could begin at once and another one holds, or null. */
  bestFor({ workerId, contentTypes, leased }: Wish): ProcessingJob | null {
    if (!leased) return null
    const ability = this.#workers.abilityOf(workerId)
    const isLeft = this.#workers.leftBy(workerId)
    let best: ProcessingJob | null = null
    for (const jobId of this.#waiting) {
      const job = this.#jobs.find(jobId)
      if (job === undefined || !waitsForSlot(job) || lastAttempt(job)?.workerId === workerId)
        continue
      if (!contentTypes.includes(job.contentType)) continue
      const requirements = requirementsOf(job)
      if (!meets(ability, requirements) || isLeft?.(job.contentType, requirements)) continue
      if (best === null || goesBefore(job, best)) best = job
    }
    return best
  }
}

function waitsForSlot(job: Job): job is ProcessingJob {
  return job.status === 'processing' && job.lease.waitingSinceAt !== null && !job.lease.reserved
}

function goesBefore(a: Job, b: Job): boolean {
  return a.priority === b.priority ? a.createdAt < b.createdAt : a.priority > b.priority
}
