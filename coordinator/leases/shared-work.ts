import { SECOND } from '../../shared/duration.ts'
import { startInterval, startTimer } from '../../shared/timers.ts'
import type { PendingJob } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import type { Taken } from '../storage/job-store.ts'
import type { News, Peers } from '../storage/peers.ts'
import type { JobDispatcher } from './job-dispatcher.ts'
import type { LongPolls, Waiter } from './long-polls.ts'

export interface SharedWorkOptions {
  jobs: Jobs
  polls: LongPolls
  peers: Peers
  dispatcher: Pick<JobDispatcher, 'suited' | 'serve'>
}

/** How often waiting calls look for work of which no news came. */
const LOOK_MS = SECOND
/** The same while no news can be heard. */
const DEAF_LOOK_MS = 100
/** Calls ahead of need leave a job so long to calls at other coordinators that need one now. */
const AHEAD_MS = 100
/** Another coordinator may hold a job for a moment that it does not take. */
const HELD_MS = 20
const MOST_AT_ONCE = 64

/** Work that other coordinators may take or add, too: finds the waiting calls for it here, or tells the others of it. */
export class SharedWork {
  readonly #options: SharedWorkOptions
  readonly #timer: NodeJS.Timeout
  #lookedAt = 0
  #isLooking = false
  /** How often something has become available. */
  arrivals = 0

  constructor(options: SharedWorkOptions) {
    this.#options = options
    options.peers.signals.on((news) => void this.#heard(news).catch(() => undefined))
    this.#timer = startInterval(() => this.#tick(), DEAF_LOOK_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** Gives a job of this coordinator to a call that waits here; without one, the others hear of it. */
  offer(job: PendingJob): void {
    this.arrivals += 1
    if (!this.#give(job)) this.#options.peers.signals.emit({ about: 'work', jobId: job.jobId })
  }

  async #heard(news: News): Promise<void> {
    if (news.about !== 'work' && news.about !== 'all') return
    this.arrivals += 1
    if (this.#options.polls.size === 0) return
    if (news.about === 'all' || news.jobId === null) return await this.#look()
    const job = await this.#available(news.jobId)
    if (job !== null) this.#give(job)
  }

  /** @returns whether a call that needs a job now may have this one. */
  #give(job: PendingJob): boolean {
    const [first] = this.#first(job, 1, false)
    if (first !== undefined) {
      const claiming = this.#options.dispatcher.serve(first)
      if (claiming !== null) void this.#checkGiven(job, claiming)
      return true
    }
    if (this.#first(job, 1, true).length > 0)
      startTimer(() => void this.#giveAhead(job.jobId).catch(() => undefined), AHEAD_MS).unref()
    return false
  }

  /** A call that got another job, or none, leaves this one to the next. */
  async #checkGiven({ jobId }: PendingJob, claiming: Promise<Taken>): Promise<void> {
    // A claim that failed is answered so; the next look finds the job.
    const taken = await claiming.catch(() => null)
    if (taken === null || taken.fresh.some((one) => one.jobId === jobId)) return
    startTimer(() => {
      void this.#available(jobId).then(
        (job) => job !== null && this.offer(job),
        () => undefined,
      )
    }, HELD_MS).unref()
  }

  async #giveAhead(jobId: string): Promise<void> {
    const job = await this.#available(jobId)
    const [first] = job === null ? [] : this.#first(job, 1, true)
    if (first !== undefined) void this.#options.dispatcher.serve(first)
  }

  #tick(): void {
    const { peers, polls } = this.#options
    const now = performance.now()
    const everyMs = peers.signals.isListening ? LOOK_MS : DEAF_LOOK_MS
    if (polls.size > 0 && now - this.#lookedAt >= everyMs) void this.#look().catch(() => undefined)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#lookedAt = performance.now()
    try {
      const openings = await this.#options.peers.openings()
      await Promise.all(openings.map((job) => this.#giveAlike(job)))
    } finally {
      this.#isLooking = false
    }
  }

  /** Gives a job, and those behind it: to twice as many calls each time, until one gets nothing. */
  async #giveAlike(job: PendingJob): Promise<void> {
    for (let most = 1; ; most = Math.min(MOST_AT_ONCE, 2 * most)) {
      const waiters = this.#first(job, most, true)
      const claims = waiters.flatMap((waiter) => this.#options.dispatcher.serve(waiter) ?? [])
      const settled = await Promise.allSettled(claims)
      const given = settled.filter(
        (one) => one.status === 'fulfilled' && one.value.fresh.length > 0,
      )
      if (given.length < most) return
    }
  }

  /** @param isAhead whether calls ahead of need count. */
  #first(job: PendingJob, most: number, isAhead: boolean): Waiter[] {
    const found: Waiter[] = []
    for (const waiter of this.#options.dispatcher.suited(job)) {
      if (found.length === most || (waiter.prefetch && !isAhead)) break
      found.push(waiter)
    }
    return found
  }

  /** The job, if it waits and may be had. */
  async #available(jobId: string): Promise<PendingJob | null> {
    const job = await this.#options.jobs.find(jobId)
    const isOpen = job?.status === 'pending' && job.availableAt <= this.#options.jobs.now()
    return isOpen ? job : null
  }
}
