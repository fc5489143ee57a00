import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { isOriginal, lastAttempt, type Job, type ProcessingJob } from '../job/job.ts'
import { handedOutAgain } from '../job/lease.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import { JobDispatcher } from './job-dispatcher.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { Prefetched } from './prefetched.ts'
import { LongPolls } from './long-polls.ts'
import type { Workers } from './workers.ts'

export interface Claim {
  workerId: string
  /** The worker's token; null: the API key, or open mode. */
  tokenId?: string | null
  contentTypes: readonly string[]
  maxJobs: number
  /** Null: a worker of the original protocol, without a lease. */
  claimId: string | null
  waitMs: number
  /** Ahead of need: served after all calls that need work now. */
  prefetch?: boolean
  /** Aborted when the caller has disconnected: then nothing is claimed. */
  signal: AbortSignal
}

/** An original worker that polls again this long after a claim it did not act on has not received the answer. */
const UNANSWERED_MS = 30 * SECOND
const GIVE_BACK_AGAIN_MS = SECOND

/** Hands out pending jobs. Calls without a job wait, and a job that becomes available answers the first. */
export class Claims implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #polls = new LongPolls()
  readonly #dispatcher: JobDispatcher
  readonly #prefetched: Prefetched
  readonly #turns = new KeyedMutex()
  #closed = false

  constructor(jobs: Jobs, workers: Workers) {
    this.#jobs = jobs
    this.#workers = workers
    this.#dispatcher = new JobDispatcher(jobs, workers, this.#polls)
    this.#prefetched = new Prefetched(jobs, workers, (job) => this.#dispatchPrefetched(job))
  }

  onChange(before: Job | null, after: Job | null): void {
    if (after?.status === 'pending') this.#dispatcher.dispatch(after)
    this.#prefetched.onChange(before, after)
  }

  onDetail(before: Job, after: Job): void {
    this.#prefetched.onChange(before, after)
  }

  get waiting(): number {
    return this.#polls.size
  }

  /**
   * Claims up to `maxJobs` jobs. The same `claimId` gives the same jobs again, so a lost answer costs nothing; an older
   * call with it that still waits gets none.
   * @param respond makes the answer. If it throws, or the caller has disconnected by then, the jobs that this call claimed
   * are given back before a newer call with the same `claimId` can get them. Jobs of an earlier call stay claimed: a call
   * that was cut off may be read after its successor.
   */
  async claim<T>(request: Claim, respond: (jobs: ProcessingJob[]) => Promise<T>): Promise<T> {
    const { workerId, claimId, tokenId = null } = request
    if (claimId === null) {
      const again = await this.#unanswered(request)
      const maxJobs = request.maxJobs - again.length
      const fresh = maxJobs === 0 ? [] : await this.#claim({ ...request, maxJobs }, null)
      return await this.#respond(again, fresh, respond, request)
    }
    const key = JSON.stringify([tokenId, workerId, claimId])
    this.#polls.dismissClaim(key)
    return await this.#turns.take(key, async () => {
      const again = this.#running(request, (job) => job.lease.claimId === claimId)
      const fresh = again.length > 0 ? [] : await this.#claim(request, key)
      return await this.#respond(again, fresh, respond, request)
    })
  }

  /** Answers a worker's waiting calls without a job. */
  dismiss(workerId: string): void {
    for (const waiter of this.#polls.of(workerId)) waiter.resolve(null)
  }

  /** Answers all waiting and future calls without a job: the coordinator stops. */
  close(): void {
    this.#closed = true
    this.#dispatcher.close()
    this.#polls.dismissAll()
  }

  /** Jobs that an original worker was given and has not acted on: for a while, or since before a restart. */
  async #unanswered(request: Claim): Promise<ProcessingJob[]> {
    const longAgo = this.#jobs.now() - UNANSWERED_MS
    const unanswered = this.#running(request, (job) => {
      const { downloadAt, downloadedAt, graceUntilAt, movedAt } = job.lease
      const hasBegun = downloadAt !== null || downloadedAt !== null
      return (
        isOriginal(lastAttempt(job)!) && !hasBegun && (graceUntilAt !== null || movedAt <= longAgo)
      )
    }).slice(0, request.maxJobs)
    for (const { jobId, attempts } of unanswered.filter(({ lease }) => lease.graceUntilAt !== null))
      await this.#jobs.changeLease(jobId, attempts.at(-1)!.number, handedOutAgain)
    return unanswered
  }

  async #claim(request: Claim, key: string | null): Promise<ProcessingJob[]> {
    const { workerId, contentTypes, maxJobs, waitMs, signal, prefetch = false } = request
    const wanted = { workerId, contentTypes, prefetch, leased: request.claimId !== null }
    if (this.#closed || this.#workers.directiveOf(workerId) !== 'run') return []
    const until = this.#jobs.now() + waitMs
    for (;;) {
      const taken = this.#dispatcher.take(wanted, maxJobs)
      const elsewhere = taken.length > 0 || prefetch ? null : this.#prefetched.bestFor(wanted)
      if (elsewhere !== null) {
        await this.#prefetched.takeBack(elsewhere)
        continue
      }
      const left = until - this.#jobs.now()
      if (taken.length === 0 && left > 0 && !signal.aborted) {
        const jobId = await this.#polls.wait(wanted, key, left, signal)
        if (jobId === null) return []
        // The rest of the batch comes from what has become available by now.
        taken.push(jobId, ...this.#dispatcher.take(wanted, maxJobs - 1))
      }
      if (taken.length === 0) return []
      const claimed = await succeeded(taken.map((jobId) => this.#hold(jobId, request)))
      if (claimed.length > 0 || signal.aborted) return claimed
    }
  }

  /** Lets an idle worker have a job that has begun to wait for a slot elsewhere. */
  #dispatchPrefetched({ contentType }: ProcessingJob): void {
    for (const waiter of this.#polls.for(contentType)) {
      const job = waiter.prefetch ? null : this.#prefetched.bestFor(waiter)
      if (job === null) continue
      // Through the queue it goes to the first that waits. If that cannot be persisted, it stays where it is.
      return void this.#prefetched.takeBack(job).catch(() => undefined)
    }
  }

  async #respond<T>(
    again: ProcessingJob[],
    fresh: ProcessingJob[],
    respond: (jobs: ProcessingJob[]) => Promise<T>,
    { signal }: Claim,
  ): Promise<T> {
    let isSent = false
    try {
      const answer = await respond(signal.aborted ? [] : [...again, ...fresh])
      isSent = !signal.aborted
      return answer
    } finally {
      if (!isSent) await Promise.all(fresh.map((job) => this.#giveBack(job)))
    }
  }

  /** Gives back an attempt whose worker got no answer, until that is persisted. */
  async #giveBack(job: ProcessingJob): Promise<void> {
    const { jobId } = job
    const attempt = lastAttempt(job)!.number
    await this.#jobs.apply(jobId, { type: 'release', attempt }).catch((error: unknown) => {
      if (error instanceof AppError && ['lease_lost', 'not_found'].includes(error.code)) return
      if (!this.#closed) startTimer(() => void this.#giveBack(job), GIVE_BACK_AGAIN_MS).unref()
    })
  }

  /** Claims a job that was taken out of the queue; null when it has changed. */
  async #hold(
    jobId: string,
    { workerId, tokenId = null, claimId, signal }: Claim,
  ): Promise<ProcessingJob | null> {
    try {
      if (!signal.aborted) {
        const leased = claimId !== null
        const ability = leased ? this.#workers.abilityOf(workerId).key : null
        const event = { type: 'claim', workerId, tokenId, claimId, leased, ability } as const
        const job = await this.#jobs.apply(jobId, event)
        return job.status === 'processing' ? job : null
      }
    } catch (error) {
      if (!(error instanceof AppError) || !['conflict', 'not_found'].includes(error.code)) {
        // For a later call: those that wait now would fail alike.
        this.#dispatcher.putBack(jobId)
        throw error
      }
    }
    const job = this.#dispatcher.putBack(jobId)
    if (job !== null) this.#dispatcher.dispatch(job)
    return null
  }

  /** What a worker has claimed with the same token. */
  #running(
    { workerId, tokenId = null }: Claim,
    fits: (job: ProcessingJob) => boolean,
  ): ProcessingJob[] {
    return this.#jobs
      .heldBy(workerId)
      .filter((job) => lastAttempt(job)!.tokenId === tokenId && fits(job))
  }
}

/** The jobs of the claims that succeeded. @throws the first failure, if all failed. */
async function succeeded(claims: Promise<ProcessingJob | null>[]): Promise<ProcessingJob[]> {
  const settled = await Promise.allSettled(claims)
  const claimed = settled.flatMap((one) =>
    one.status === 'fulfilled' && one.value !== null ? [one.value] : [],
  )
  const failure = settled.find((one) => one.status === 'rejected')
  if (claimed.length === 0 && failure !== undefined) throw failure.reason
  return claimed
}
