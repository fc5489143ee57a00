import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { isOriginal, lastAttempt, type ProcessingJob } from '../job/job.ts'
import { handedOutAgain } from '../job/lease.ts'
import type { Jobs } from '../jobs.ts'
import { JobDispatcher } from './job-dispatcher.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { Prefetched } from './prefetched.ts'
import { LongPolls } from './long-polls.ts'
import type { Workers } from './workers.ts'

export interface Claim {
  workerId: string
  /** The worker's token; null: the API key, or nobody is asked for one. */
  tokenId?: string | null
  contentTypes: readonly string[]
  maxJobs: number
  /** Null: a worker of the original protocol, without a lease. */
  claimId: string | null
  waitMs: number
  /** For later: those who would begin at once go first. */
  prefetch?: boolean
  /** Aborted when the caller has gone: then nothing is claimed. */
  signal: AbortSignal
}

/** A worker of the original protocol that asks again this long after a claim it never acted on has not got our answer. */
const UNANSWERED_MS = 30 * SECOND
const GIVE_BACK_AGAIN_MS = SECOND

/** Hands pending jobs out. Callers with nothing to do wait in line, and a job that becomes available wakes the first. */
export class Claims {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #line = new LongPolls()
  readonly #dispatcher: JobDispatcher
  readonly #prefetched: Prefetched
  readonly #turns = new KeyedMutex()
  #closed = false

  constructor(jobs: Jobs, workers: Workers) {
    this.#jobs = jobs
    this.#workers = workers
    this.#dispatcher = new JobDispatcher(jobs, workers, this.#line)
    this.#prefetched = new Prefetched(jobs, workers, (job) => this.#offerPrefetched(job))
  }

  /** How many calls wait for work. */
  get waiting(): number {
    return this.#line.size
  }

  /**
   * Up to `maxJobs` jobs, claimed. The same `claimId` gives the same jobs again, so a lost answer costs nothing; an
   * older call with it that still waits goes empty-handed.
   * @param give makes the answer. Where it throws, or the caller has gone by then, what this call has claimed is given
   * back: in the turn of its claim, because a newer call with it would be given that. What an earlier call has claimed
   * stays: a call that was cut off may be read here after the one that took its place.
   */
  async claim<T>(request: Claim, give: (jobs: ProcessingJob[]) => Promise<T>): Promise<T> {
    const { workerId, claimId, tokenId = null } = request
    if (claimId === null) {
      const again = await this.#unanswered(request)
      const maxJobs = request.maxJobs - again.length
      const fresh = maxJobs === 0 ? [] : await this.#claim({ ...request, maxJobs }, null)
      return await this.#give(again, fresh, give, request)
    }
    const key = JSON.stringify([tokenId, workerId, claimId])
    this.#line.dismissClaim(key)
    return await this.#turns.take(key, async () => {
      const again = this.#running(request, (job) => job.lease.claimId === claimId)
      const fresh = again.length > 0 ? [] : await this.#claim(request, key)
      return await this.#give(again, fresh, give, request)
    })
  }

  /** Sends the waiting calls of a worker home. */
  dismiss(workerId: string): void {
    for (const waiter of this.#line.of(workerId)) waiter.resolve(null)
  }

  /** Sends all home, and whoever still comes: the coordinator stops. */
  close(): void {
    this.#closed = true
    this.#dispatcher.close()
    this.#line.dismissAll()
  }

  /** What a worker of the original protocol was given, and has not acted on since: some time ago, or before a restart. */
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
    const wish = { workerId, contentTypes, prefetch, leased: request.claimId !== null }
    if (this.#closed || this.#workers.directiveOf(workerId) !== 'run') return []
    const until = this.#jobs.now() + waitMs
    for (;;) {
      const taken = this.#dispatcher.take(wish, maxJobs)
      const elsewhere = taken.length > 0 || prefetch ? null : this.#prefetched.bestFor(wish)
      if (elsewhere !== null) {
        await this.#prefetched.takeBack(elsewhere)
        continue
      }
      const left = until - this.#jobs.now()
      if (taken.length === 0 && left > 0 && !signal.aborted) {
        const jobId = await this.#line.wait(wish, key, left, signal)
        if (jobId === null) return []
        // The rest of the batch comes from what else has become available by now.
        taken.push(jobId, ...this.#dispatcher.take(wish, maxJobs - 1))
      }
      if (taken.length === 0) return []
      const claimed = await firmOf(taken.map((jobId) => this.#hold(jobId, request)))
      if (claimed.length > 0 || signal.aborted) return claimed
    }
  }

  /** Looks whether somebody idles who could begin a job that has just begun to wait. */
  #offerPrefetched({ contentType }: ProcessingJob): void {
    for (const waiter of this.#line.for(contentType)) {
      const job = waiter.prefetch ? null : this.#prefetched.bestFor(waiter)
      if (job === null) continue
      // In the queue it goes to the first in line. Where that cannot be written down, it stays where it is.
      return void this.#prefetched.takeBack(job).catch(() => undefined)
    }
  }

  async #give<T>(
    again: ProcessingJob[],
    fresh: ProcessingJob[],
    give: (jobs: ProcessingJob[]) => Promise<T>,
    { signal }: Claim,
  ): Promise<T> {
    let isGiven = false
    try {
      const answer = await give(signal.aborted ? [] : [...again, ...fresh])
      isGiven = !signal.aborted
      return answer
    } finally {
      if (!isGiven) await Promise.all(fresh.map((job) => this.#giveBack(job)))
    }
  }

  /** Gives an attempt back that never reached its worker; what cannot be written down now is tried again. */
  async #giveBack(job: ProcessingJob): Promise<void> {
    const { jobId } = job
    const attempt = lastAttempt(job)!.number
    await this.#jobs.apply(jobId, { type: 'release', attempt }).catch((error: unknown) => {
      if (error instanceof AppError && ['lease_lost', 'not_found'].includes(error.code)) return
      if (!this.#closed) startTimer(() => void this.#giveBack(job), GIVE_BACK_AGAIN_MS).unref()
    })
  }

  /** Claims a job that was taken out of the queue; null when it changed in between. */
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
        // It waits on, for a later call: those in line now would meet the same.
        this.#dispatcher.putBack(jobId)
        throw error
      }
    }
    const job = this.#dispatcher.putBack(jobId)
    if (job !== null) this.#dispatcher.offer(job)
    return null
  }

  /** What a worker has claimed with the same token: by another's name alone nobody gets another's jobs. */
  #running(
    { workerId, tokenId = null }: Claim,
    fits: (job: ProcessingJob) => boolean,
  ): ProcessingJob[] {
    const found: ProcessingJob[] = []
    for (const job of this.#jobs.inStatus('processing')) {
      const attempt = lastAttempt(job)
      if (attempt?.workerId !== workerId || attempt.tokenId !== tokenId) continue
      if (job.status !== 'processing') continue
      if (fits(job)) found.push(job)
    }
    return found
  }
}

/** What has come of several claims: one that fails costs the others nothing. @throws the first failure, where all have. */
async function firmOf(claims: Promise<ProcessingJob | null>[]): Promise<ProcessingJob[]> {
  const settled = await Promise.allSettled(claims)
  const claimed = settled.flatMap((one) =>
    one.status === 'fulfilled' && one.value !== null ? [one.value] : [],
  )
  const failure = settled.find((one) => one.status === 'rejected')
  if (claimed.length === 0 && failure !== undefined) throw failure.reason
  return claimed
}
