import { HOUR } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job, PendingJob } from '../job/job.ts'
import { meets, requirementsOf, UNKNOWN_ABILITY, type Ability } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { LongPolls, Waiter, WorkRequest } from './long-polls.ts'
import type { Workers } from './workers.ts'

/** Assigns queued jobs: to a call that asks, or to the first that waits when a job becomes available. */
export class JobDispatcher {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #polls: LongPolls
  #timer: NodeJS.Timeout | null = null

  constructor(jobs: Jobs, workers: Workers, polls: LongPolls) {
    this.#jobs = jobs
    this.#workers = workers
    this.#polls = polls
    workers.onAnnounce((workerId) => this.#redispatch(workerId))
    this.#arm()
  }

  /** Takes up to `count` jobs out of the queue. */
  take(request: WorkRequest, count: number): string[] {
    const now = this.#jobs.now()
    this.#open(now)
    const taken: string[] = []
    while (taken.length < count) {
      const jobId = this.#takeOne(request, now)
      if (jobId === null) break
      taken.push(jobId)
    }
    return taken
  }

  #takeOne(request: WorkRequest, now: number): string | null {
    const { contentTypes, workerId } = request
    const ability = this.#abilityOf(request)
    const isLeft = this.#workers.leftBy(workerId)
    return this.#jobs.queue.take(contentTypes, workerId, now, ability, isLeft)
  }

  /** Returns a job to the queue that is still pending; null if it is not. */
  putBack(jobId: string): Job | null {
    const job = this.#jobs.find(jobId)
    if (job?.status !== 'pending') return null
    this.#jobs.queue.add(job, this.#jobs.now())
    return job
  }

  /** Assigns a job to the first waiting call that may have it. */
  dispatch(job: Job): void {
    this.#dispatch(job, this.#jobs.now())
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #dispatch(job: Job, now: number): void {
    this.#open(now)
    if (job.status === 'pending' && job.availableAt <= now && this.#jobs.queue.has(job.jobId))
      this.#assign(job, now)
    this.#arm()
  }

  /**
   * No other queued job suits the waiting calls, so the first that may have this one gets it: one comparison for each
   * distinct ability among them.
   */
  #assign(job: PendingJob, now: number): void {
    const { contentType, jobId } = job
    const requirements = requirementsOf(job)
    const known = new Map<string | null, boolean>()
    const keptFor = job.reserved !== null && job.reserved.untilAt > now ? job.reserved : null
    for (const waiter of this.#polls.for(contentType)) {
      const { workerId } = waiter
      if (keptFor !== null) {
        if (keptFor.workerId === workerId) this.#serve(waiter, now)
        if (!this.#jobs.queue.has(jobId)) return
        continue
      }
      const ability = this.#abilityOf(waiter)
      let may = known.get(ability.key)
      if (may === undefined) known.set(ability.key, (may = meets(ability, requirements)))
      if (!may || this.#workers.leftBy(workerId)?.(contentType, requirements) === true) continue
      this.#jobs.queue.remove(jobId)
      waiter.resolve(jobId)
      return
    }
  }

  #abilityOf({ workerId, leased }: WorkRequest): Ability {
    return leased ? this.#workers.abilityOf(workerId) : UNKNOWN_ABILITY
  }

  /** A worker with a new announcement may have jobs that it could not have before. */
  #redispatch(workerId: string): void {
    const now = this.#jobs.now()
    this.#open(now)
    for (const waiter of this.#polls.of(workerId)) this.#serve(waiter, now)
    this.#arm()
  }

  #serve(waiter: Waiter, now: number): void {
    const jobId = this.#takeOne(waiter, now)
    if (jobId !== null) waiter.resolve(jobId)
  }

  /** Dispatches what has become available since; before every take, which would open it unnoticed. */
  #open(now: number): void {
    for (const { jobId } of this.#jobs.queue.open(now)) {
      const job = this.#jobs.find(jobId)
      if (job !== undefined) this.#dispatch(job, now)
    }
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const at = this.#jobs.queue.nextOpenAt()
    if (at === null) return
    const wait = Math.min(HOUR, Math.max(0, at - this.#jobs.now()))
    this.#timer = startTimer(() => {
      this.#open(this.#jobs.now())
      this.#arm()
    }, wait).unref()
  }
}
