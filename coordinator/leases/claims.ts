import { FLEET_LIMITS } from '../fleet-limits.ts'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { isOriginal, lastAttempt, type Job, type ProcessingJob } from '../job/job.ts'
import { handedOutAgain } from '../job/lease.ts'
import { meets, requirementsOf, type Ability } from '../job/requirements.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { Taken } from '../storage/job-store.ts'
import type { News, Peers } from '../storage/peers.ts'
import { abilityFor, JobDispatcher } from './job-dispatcher.ts'
import { Prefetched } from './prefetched.ts'
import { LongPolls, type WorkRequest } from './long-polls.ts'
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
const NOTHING: Taken = { again: [], fresh: [] }

/** Hands out pending jobs. Calls without a job wait, and a job that becomes available answers the first. */
export class Claims implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #polls: LongPolls
  readonly #dispatcher: JobDispatcher
  readonly #prefetched: Prefetched
  readonly #turns = new KeyedMutex()
  readonly #peers: Peers | null
  /** When the newest call of each claim began, where other coordinators may get one, too. */
  readonly #begun = new Map<string, number>()
  #closed = false

  /**
   * @param mostWaiting of all calls that wait.
   * @param peers the other coordinators that hand out the same jobs; null: there are none.
   */
  constructor(
    jobs: Jobs,
    workers: Workers,
    mostWaiting: number = FLEET_LIMITS.waiting,
    peers: Peers | null = null,
  ) {
    this.#polls = new LongPolls(mostWaiting, (request) => abilityFor(request, workers))
    this.#jobs = jobs
    this.#workers = workers
    this.#peers = peers
    this.#dispatcher = new JobDispatcher(jobs, workers, this.#polls, peers)
    this.#prefetched = new Prefetched(jobs, workers, (job) => this.#dispatchPrefetched(job))
    peers?.signals.on((news) => this.#heard(news))
    workers.onUpdate((workerId) => {
      // It may have been drained, also at another coordinator.
      if (workers.directiveOf(workerId) !== 'run') this.dismiss(workerId)
    })
  }

  /** Learns the attempts that an earlier run left. */
  resume(running: Iterable<ProcessingJob>): void {
    this.#prefetched.resume(running)
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
    const { workerId, claimId, tokenId = null, prefetch = false } = request
    const wanted = { ...request, tokenId, prefetch }
    if (this.#peers !== null) await this.#workers.shared?.meet(workerId)
    if (claimId === null) {
      const longAgo = this.#jobs.now() - UNANSWERED_MS
      const taken = await this.#claim(wanted, null, (job) => isUnanswered(job, longAgo))
      for (const { jobId, attempts, lease } of taken.again)
        if (lease.graceUntilAt !== null)
          await this.#jobs.changeLease(jobId, attempts.at(-1)!.number, handedOutAgain)
      return await this.#respond(taken, respond, request)
    }
    const key = JSON.stringify([tokenId, workerId, claimId])
    this.#polls.dismissClaim(key)
    const at = this.#jobs.now()
    if (this.#peers !== null) {
      this.#begun.set(key, at)
      this.#peers.signals.emit({ about: 'claim', key, at })
    }
    try {
      return await this.#turns.take(key, async () => {
        const taken = await this.#claim(wanted, key, (job) => job.lease.claimId === claimId)
        return await this.#respond(taken, respond, request)
      })
    } finally {
      if (this.#begun.get(key) === at) this.#begun.delete(key)
    }
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

  /** Up to the first `await` it runs at once, so that calls stand in line in the order of their coming. */
  async #claim(
    wanted: WorkRequest & Pick<Claim, 'maxJobs' | 'waitMs'>,
    key: string | null,
    isAgain: (job: ProcessingJob) => boolean,
  ): Promise<Taken> {
    const { workerId, maxJobs, waitMs, signal } = wanted
    const isOpen = !this.#closed && this.#workers.directiveOf(workerId) === 'run'
    const first = isOpen ? wanted : { ...wanted, contentTypes: [] }
    let { arrivals } = this.#dispatcher
    let claiming = this.#dispatcher.claim(first, maxJobs, isAgain)
    if (!isOpen) return (await claiming) ?? NOTHING
    const until = this.#jobs.now() + waitMs
    for (;;) {
      const taken = claiming === null ? null : some(await claiming)
      if (taken !== null || signal.aborted) return taken ?? NOTHING
      // Where others change the jobs, too, an answer says that there is nothing, if nothing has come since the question.
      const isAsked = arrivals !== null && arrivals === this.#dispatcher.arrivals
      if (claiming === null || isAsked) {
        const waited = await this.#wait(wanted, key, until, isAgain)
        if (waited !== null) return waited
      }
      arrivals = this.#dispatcher.arrivals
      claiming = this.#dispatcher.claim(wanted, maxJobs)
    }
  }

  /** Waits for jobs; null: there may be some now. */
  async #wait(
    wanted: WorkRequest & Pick<Claim, 'maxJobs'>,
    key: string | null,
    until: number,
    isAgain: (job: ProcessingJob) => boolean,
  ): Promise<Taken | null> {
    const { maxJobs, prefetch, signal } = wanted
    const elsewhere = prefetch ? null : this.#prefetched.bestFor(wanted)
    if (elsewhere !== null) {
      await this.#prefetched.takeBack(elsewhere)
      return null
    }
    const left = until - this.#jobs.now()
    if (left <= 0 || signal.aborted || this.#closed) return NOTHING
    const woken = await this.#polls.wait(wanted, key, left)
    if (woken === null) {
      // An older call elsewhere may have claimed after this one had asked.
      const isOver = this.#peers !== null && this.#jobs.now() >= until
      const held = isOver ? { ...wanted, contentTypes: [] } : null
      return (held && (await this.#dispatcher.claim(held, maxJobs, isAgain))) ?? NOTHING
    }
    // The rest of the batch comes from what has become available by now.
    const rest = maxJobs > 1 ? this.#dispatcher.claim(wanted, maxJobs - 1) : null
    return some(await together(rest === null ? [woken.claiming] : [woken.claiming, rest]))
  }

  #heard(news: News): void {
    if (news.about === 'claim') {
      if ((this.#begun.get(news.key) ?? Infinity) < news.at) this.#polls.dismissClaim(news.key)
    } else if (news.about === 'job') void this.#prefetched.look(news).catch(() => undefined)
  }

  /** Lets an idle worker have a job that has begun to wait for a slot elsewhere. */
  #dispatchPrefetched(prefetched: ProcessingJob): void {
    const requirements = requirementsOf(prefetched)
    const fits = (ability: Ability): boolean => meets(ability, requirements)
    for (const waiter of this.#polls.for(prefetched.contentType, fits)) {
      // All that follow prefetch, too.
      if (waiter.prefetch) return
      const job = this.#prefetched.bestFor(waiter)
      if (job === null) continue
      // Through the queue it goes to the first that waits. If that cannot be persisted, it stays where it is.
      return void this.#prefetched.takeBack(job).catch(() => undefined)
    }
  }

  async #respond<T>(
    { again, fresh }: Taken,
    respond: (jobs: ProcessingJob[]) => Promise<T>,
    { signal, claimId }: Claim,
  ): Promise<T> {
    let isSent = false
    // Another coordinator may have answered the same claim by now: what its worker does not have ends with the lease.
    let isOurs = this.#peers === null || claimId === null
    try {
      const answer = await respond(signal.aborted ? [] : [...again, ...fresh])
      isSent = !signal.aborted
      return answer
    } catch (error) {
      // A worker without a good token cannot work on what it may have got elsewhere, either.
      if (error instanceof AppError && error.code === 'unauthorized') isOurs = true
      throw error
    } finally {
      if (!isSent && isOurs) await Promise.all(fresh.map((job) => this.#giveBack(job)))
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
}

/** Whether an original worker was given a job and has not acted on it: for a while, or since before a restart. */
function isUnanswered(job: ProcessingJob, longAgo: number): boolean {
  const { downloadAt, downloadedAt, graceUntilAt, movedAt } = job.lease
  const hasBegun = downloadAt !== null || downloadedAt !== null
  return isOriginal(lastAttempt(job)!) && !hasBegun && (graceUntilAt !== null || movedAt <= longAgo)
}

/** Null for none. */
function some(taken: Taken): Taken | null {
  return taken.again.length + taken.fresh.length > 0 ? taken : null
}

/** The jobs of the claims that succeeded. @throws the first failure, if none has any. */
async function together(claims: readonly Promise<Taken>[]): Promise<Taken> {
  const settled = await Promise.allSettled(claims)
  const taken = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const all = { again: taken.flatMap((one) => one.again), fresh: taken.flatMap((one) => one.fresh) }
  const failure = settled.find((one) => one.status === 'rejected')
  if (some(all) === null && failure !== undefined) throw failure.reason
  return all
}
