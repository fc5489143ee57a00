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
    const [ability, isLeft] = [this.#abilityOf(request), this.#workers.leftBy(workerId)]
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

  /** The waiting calls that may have a job, in order. One comparison for each distinct ability among them. */
  *suited(job: PendingJob): Iterable<Waiter> {
    const { contentType, reserved } = job
    const requirements = requirementsOf(job)
    const known = new Map<string | null, boolean>()
    const keptFor = reserved !== null && reserved.untilAt > this.#jobs.now() ? reserved : null
    for (const waiter of this.#polls.for(contentType)) {
      const { workerId } = waiter
      if (keptFor !== null) {
        if (keptFor.workerId === workerId) yield waiter
        continue
      }
      const ability = this.#abilityOf(waiter)
      let may = known.get(ability.key)
      if (may === undefined) known.set(ability.key, (may = meets(ability, requirements)))
      if (may && this.#workers.leftBy(workerId)?.(contentType, requirements) !== true) yield waiter
    }
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

  #abilityOf({ workerId, claimId }: WorkRequest): Ability {
    return claimId === null ? UNKNOWN_ABILITY : this.#workers.abilityOf(workerId)
  }
}
