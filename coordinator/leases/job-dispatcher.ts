import { HOUR } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job, PendingJob } from '../job/job.ts'
import { meets, requirementsOf, UNTOLD, type Ability } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { Waiter, LongPolls, Wish } from './long-polls.ts'
import type { Workers } from './workers.ts'

/** Which job of the queue goes to whom: to a call that asks, or to the first in line when a job becomes available. */
export class JobDispatcher {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #line: LongPolls
  #timer: NodeJS.Timeout | null = null

  constructor(jobs: Jobs, workers: Workers, line: LongPolls) {
    this.#jobs = jobs
    this.#workers = workers
    this.#line = line
    jobs.onChange((_, after) => {
      if (after?.status === 'pending') this.offer(after)
    })
    workers.onAnnounce((workerId) => this.#offerAgain(workerId))
    this.#arm()
  }

  /** Takes up to so many jobs out of the queue. */
  take(wish: Wish, most: number): string[] {
    const now = this.#jobs.now()
    this.#open(now)
    const taken: string[] = []
    while (taken.length < most) {
      const jobId = this.#takeOne(wish, now)
      if (jobId === null) break
      taken.push(jobId)
    }
    return taken
  }

  #takeOne(wish: Wish, now: number): string | null {
    const { contentTypes, workerId } = wish
    const ability = this.#abilityOf(wish)
    const isLeft = this.#workers.leftBy(workerId)
    return this.#jobs.queue.take(contentTypes, workerId, now, ability, isLeft)
  }

  /** Returns a job to the queue that was taken out and is pending still; null: it is not. */
  putBack(jobId: string): Job | null {
    const job = this.#jobs.find(jobId)
    if (job?.status !== 'pending') return null
    this.#jobs.queue.add(job, this.#jobs.now())
    return job
  }

  /** Gives a job to the first in line who may have it. */
  offer(job: Job): void {
    this.#offer(job, this.#jobs.now())
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #offer(job: Job, now: number): void {
    this.#open(now)
    if (job.status === 'pending' && job.availableAt <= now && this.#jobs.queue.has(job.jobId))
      this.#give(job, now)
    this.#arm()
  }

  /**
   * All that wait have been offered all else, so it goes to the first that may have it: one look for each distinct ability
   * of those who wait, whatever else lies in the queue.
   */
  #give(job: PendingJob, now: number): void {
    const { contentType, jobId } = job
    const requirements = requirementsOf(job)
    const known = new Map<string | null, boolean>()
    const keptFor = job.reserved !== null && job.reserved.untilAt > now ? job.reserved : null
    for (const waiter of this.#line.for(contentType)) {
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

  #abilityOf({ workerId, leased }: Wish): Ability {
    return leased ? this.#workers.abilityOf(workerId) : UNTOLD
  }

  /** A worker that says of itself what it did not before may have jobs that it could not. */
  #offerAgain(workerId: string): void {
    const now = this.#jobs.now()
    this.#open(now)
    for (const waiter of this.#line.of(workerId)) this.#serve(waiter, now)
    this.#arm()
  }

  #serve(waiter: Waiter, now: number): void {
    const jobId = this.#takeOne(waiter, now)
    if (jobId !== null) waiter.resolve(jobId)
  }

  /** Offers what has become available since the last look; before every take, which would open it unseen. */
  #open(now: number): void {
    for (const { jobId } of this.#jobs.queue.open(now)) {
      const job = this.#jobs.find(jobId)
      if (job !== undefined) this.#offer(job, now)
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
