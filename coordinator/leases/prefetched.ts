import { AppError } from '../../shared/errors.ts'
import { lastAttempt, type Job, type ProcessingJob } from '../job/job.ts'
import { goesBefore } from '../job/queue.ts'
import { meets, requirementsOf, type Requirements } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { WorkRequest } from './long-polls.ts'
import type { Workers } from './workers.ts'

/** Jobs that the same workers may have. */
interface Group {
  key: string
  contentType: string
  requirements: Requirements
  jobs: Map<string, ProcessingJob>
}

/** The jobs that wait for a slot at the worker that prefetched them: an idle worker may have them instead. */
export class Prefetched {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #groups = new Map<string, Group>()
  /** By job. */
  readonly #groupOf = new Map<string, Group>()
  readonly #onWaits: (job: ProcessingJob) => void

  /** @param onWaits called with a job that begins to wait. */
  constructor(jobs: Jobs, workers: Workers, onWaits: (job: ProcessingJob) => void) {
    this.#jobs = jobs
    this.#workers = workers
    this.#onWaits = onWaits
  }

  /** Learns the attempts that an earlier run left. */
  resume(running: Iterable<ProcessingJob>): void {
    for (const job of running) if (waitsForSlot(job)) this.#put(job)
  }

  onChange(before: Job | null, after: Job | null): void {
    const { jobId } = (after ?? before)!
    if (after === null || !waitsForSlot(after)) return this.#drop(jobId)
    const isNew = !this.#groupOf.has(jobId)
    this.#put(after)
    if (isNew) this.#onWaits(after)
  }

  /** Looks at a job that another coordinator has changed. @param waits whether it may wait now. */
  async look({ jobId, waits }: { jobId: string; waits: boolean }): Promise<void> {
    const job = waits ? ((await this.#jobs.find(jobId)) ?? null) : null
    if (job === null) this.#drop(jobId)
    else this.onChange(null, job)
  }

  /** Returns a waiting job to the queue; its worker learns of it with its next heartbeat. */
  async takeBack({ jobId, attempts }: ProcessingJob): Promise<void> {
    const event = { type: 'take_back', attempt: attempts.at(-1)!.number } as const
    try {
      const after = await this.#jobs.apply(jobId, event)
      if (!waitsForSlot(after)) this.#drop(jobId)
    } catch (error) {
      // The job may have been deleted meanwhile.
      if (!(error instanceof AppError && error.code === 'not_found')) throw error
      this.#drop(jobId)
    }
  }

  /** The best of them for another worker that could begin at once, or null. */
  bestFor({ workerId, contentTypes, claimId }: WorkRequest): ProcessingJob | null {
    if (claimId === null) return null
    const ability = this.#workers.abilityOf(workerId)
    const isLeft = this.#workers.leftBy(workerId)
    let best: ProcessingJob | null = null
    for (const { contentType, requirements, jobs } of this.#groups.values()) {
      if (!contentTypes.includes(contentType) || !meets(ability, requirements)) continue
      if (isLeft?.(contentType, requirements) === true) continue
      for (const job of jobs.values()) {
        const isOwn = lastAttempt(job)?.workerId === workerId
        if (!isOwn && (best === null || goesBefore(job, best))) best = job
      }
    }
    return best
  }

  #put(job: ProcessingJob): void {
    const { jobId, contentType } = job
    const requirements = requirementsOf(job)
    const key = JSON.stringify([contentType, requirements.key])
    if (this.#groupOf.get(jobId)?.key !== key) this.#drop(jobId)
    let group = this.#groups.get(key)
    if (group === undefined)
      this.#groups.set(key, (group = { key, contentType, requirements, jobs: new Map() }))
    group.jobs.set(jobId, job)
    this.#groupOf.set(jobId, group)
  }

  #drop(jobId: string): void {
    const group = this.#groupOf.get(jobId)
    if (group === undefined) return
    this.#groupOf.delete(jobId)
    group.jobs.delete(jobId)
    if (group.jobs.size === 0) this.#groups.delete(group.key)
  }
}

/** Whether an idle worker may have this instead of the one that prefetched it. */
export function waitsForSlot(job: Job): job is ProcessingJob {
  return job.status === 'processing' && job.lease.waitingSinceAt !== null && !job.lease.reserved
}
