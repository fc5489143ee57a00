import { SECOND } from '../shared/duration.ts'
import { AppError, isErrorCode } from '../shared/errors.ts'
import { startInterval } from '../shared/timers.ts'
import { hasEnded, type CompletedJob, type Job } from './job/job.ts'
import { enter, leave as leaveGroup, type Groups } from './groups.ts'
import type { Jobs, JobSubscriber } from './jobs.ts'
import type { Peers } from './storage/peers.ts'

/** How often jobs are looked at while no news of other coordinators can be heard. */
const LOOK_MS = SECOND

/** Requests that wait for a job to change. */
export class JobWatch implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #waiting: Groups<() => void> = new Map()
  readonly #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param peers the other coordinators that change the same jobs; null: there are none. */
  constructor(jobs: Jobs, peers: Peers | null = null) {
    this.#jobs = jobs
    if (peers === null) return
    const { signals } = peers
    signals.on((news) => {
      if (news.about === 'job') this.wake(news.jobId)
      else if (news.about === 'all') this.#wakeAll()
    })
    this.#timer = startInterval(() => {
      if (!signals.isListening) this.#wakeAll()
    }, LOOK_MS).unref()
  }

  onChange(before: Job | null, after: Job | null): void {
    this.wake((after ?? before)!.jobId)
  }

  /** Those who wait for a job look at it. */
  wake(jobId: string): void {
    const waiting = this.#waiting.get(jobId) ?? []
    this.#waiting.delete(jobId)
    for (const wake of waiting) wake()
  }

  /**
   * Waits for a job's result.
   * @throws {AppError} as {@link completed}; the signal's reason when aborted.
   */
  async result(jobId: string, signal: AbortSignal): Promise<CompletedJob> {
    for await (const job of this.looks(jobId, signal)) if (job.status === 'completed') return job
    throw new AppError('internal', `Job ${jobId} is not looked at any more.`)
  }

  /**
   * The job now, and whenever it may have changed, until it has a result.
   * @throws {AppError} why it will have none: its own error, `cancelled`, `not_found` when it was removed; `unavailable`
   * when the coordinator stops. The signal's reason when aborted.
   */
  async *looks(jobId: string, signal: AbortSignal): AsyncGenerator<Job> {
    for (;;) {
      // Before the look: a change meanwhile is seen.
      const next = this.#next(jobId, signal)
      try {
        const job = await this.#jobs.get(jobId)
        this.#checkGoesOn(job)
        yield job
        if (job.status === 'completed') return
        await next.change
      } finally {
        next.leave()
      }
    }
  }

  #checkGoesOn(job: Job): void {
    const { jobId } = job
    if (job.status === 'completed') return
    if (job.status === 'cancelled') throw new AppError('cancelled', `Job ${jobId} was cancelled.`)
    if (hasEnded(job)) {
      const { code, message } = job.error
      throw new AppError(isErrorCode(code) ? code : 'internal', message)
    }
    const message = `The coordinator stops. Job ${jobId} goes on when it is back.`
    if (this.#isClosed) throw new AppError('unavailable', message)
  }

  /** `change` resolves when the job may have changed, and rejects with the signal's reason. */
  #next(jobId: string, signal: AbortSignal): { change: Promise<void>; leave: () => void } {
    signal.throwIfAborted()
    const waiting = this.#waiting
    let leave = (): void => undefined
    const change = new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error)
      leave = () => {
        leaveGroup(waiting, jobId, resolve)
        signal.removeEventListener('abort', stop)
      }
      enter(waiting, jobId, resolve)
      signal.addEventListener('abort', stop, { once: true })
    })
    change.catch(() => undefined)
    return { change, leave }
  }

  /** All that wait get `unavailable`. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const jobId of this.#waiting.keys()) this.wake(jobId)
  }
}
