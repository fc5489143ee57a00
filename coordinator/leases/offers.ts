import { HOUR } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job } from '../job/job.ts'
import { UNTOLD } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { Waiter, WaitingLine, Wish } from './waiting-line.ts'
import type { Workers } from './workers.ts'

/** Which job of the queue goes to whom: to a call that asks, or to the first in line when a job becomes available. */
export class Offers {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #line: WaitingLine
  #timer: NodeJS.Timeout | null = null

  constructor(jobs: Jobs, workers: Workers, line: WaitingLine) {
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

  #takeOne({ contentTypes, workerId, leased }: Wish, now: number): string | null {
    const ability = leased ? this.#workers.abilityOf(workerId) : UNTOLD
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
    const { queue } = this.#jobs
    for (const waiter of this.#line.for(job.contentType)) {
      if (!queue.has(job.jobId)) break
      this.#serve(waiter, now)
    }
    this.#arm()
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
