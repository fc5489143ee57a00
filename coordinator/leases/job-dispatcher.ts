import type { Job, PendingJob, ProcessingJob } from '../job/job.ts'
import { meets, requirementsOf, UNKNOWN_ABILITY, type Ability } from '../job/requirements.ts'
import type { Jobs } from '../jobs.ts'
import type { Taken } from '../storage/job-store.ts'
import type { Peers } from '../storage/peers.ts'
import type { LongPolls, Waiter, WorkRequest } from './long-polls.ts'
import { SharedWork } from './shared-work.ts'
import type { Workers } from './workers.ts'

/** Claims jobs: for a call that asks, or for the first that waits when a job becomes available. */
export class JobDispatcher {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #polls: LongPolls
  /** Null: the store's memory says what waits. */
  readonly #shared: SharedWork | null

  constructor(jobs: Jobs, workers: Workers, polls: LongPolls, peers: Peers | null = null) {
    this.#jobs = jobs
    this.#workers = workers
    this.#polls = polls
    this.#shared = peers && new SharedWork({ jobs, polls, peers, dispatcher: this })
    workers.onAnnounce((workerId) => {
      // With a new announcement it may have jobs that it could not have before.
      for (const waiter of polls.of(workerId)) void this.serve(waiter)
    })
    workers.onUpdate((workerId) => polls.regroup(workerId))
    jobs.onWork((job) => this.dispatch(job))
  }

  /** How much has become available so far, of a store that others change: an answer without a job may be older. */
  get arrivals(): number | null {
    return this.#shared === null ? null : this.#shared.arrivals
  }

  /**
   * Claims up to `most` jobs; null: there is nothing for it.
   * @param isAgain which of the worker's jobs it is given again.
   */
  claim(
    request: WorkRequest,
    most: number,
    isAgain?: (job: ProcessingJob) => boolean,
  ): Promise<Taken> | null {
    const { workerId, signal } = request
    if (signal.aborted) return null
    const [ability, isLeft] = [abilityFor(request, this.#workers), this.#workers.leftBy(workerId)]
    const order = { ...request, most, ability, isLeft, isAgain }
    return this.#jobs.claim(order, () => signal.aborted)
  }

  /** Lets the waiting calls that may have a job claim, in order, until there is nothing for the next. */
  dispatch(job: Job): void {
    if (job.status !== 'pending' || job.availableAt > this.#jobs.now()) return
    if (this.#shared !== null) return this.#shared.offer(job)
    // Mostly the first claims this job: no other that waits suits the waiting calls, but one whose claim was refused, as by a
    // full disk. When there is nothing for the next, another call has the job by now.
    for (const waiter of this.suited(job)) if (this.serve(waiter) === null) return
  }

  /** The waiting calls that may have a job, in order. */
  *suited(job: PendingJob): Iterable<Waiter> {
    const { contentType, reserved } = job
    const requirements = requirementsOf(job)
    if (reserved !== null && reserved.untilAt > this.#jobs.now()) {
      const own = this.#polls.of(reserved.workerId)
      yield* own.filter(({ contentTypes }) => contentTypes.includes(contentType))
      return
    }
    for (const waiter of this.#polls.for(contentType, (one) => meets(one, requirements)))
      if (this.#workers.leftBy(waiter.workerId)?.(contentType, requirements) !== true) yield waiter
  }

  /** Answers a waiting call with its claim; null: there is nothing for it. */
  serve(waiter: Waiter): Promise<Taken> | null {
    const claiming = this.claim(waiter, 1)
    if (claiming !== null) waiter.resolve(claiming)
    return claiming
  }

  close(): void {
    this.#shared?.close()
  }
}

export function abilityFor({ workerId, claimId }: WorkRequest, workers: Workers): Ability {
  return claimId === null ? UNKNOWN_ABILITY : workers.abilityOf(workerId)
}
