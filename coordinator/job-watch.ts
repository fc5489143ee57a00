import { AppError, isErrorCode } from '../shared/errors.ts'
import { hasEnded, type CompletedJob, type Job } from './job/job.ts'
import type { Jobs, JobSubscriber } from './jobs.ts'

/** Requests that wait for a job to change. */
export class JobWatch implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #waiting = new Map<string, Set<() => void>>()
  #isClosed = false

  constructor(jobs: Jobs) {
    this.#jobs = jobs
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
    for (;;) {
      const job = this.completed(jobId)
      if (job !== null) return job
      await this.change(jobId, signal)
    }
  }

  /**
   * The job if it has a result; null: it has not ended.
   * @throws {AppError} why it will have none: its own error, `cancelled`, `not_found` when it was removed; `unavailable`
   * when the coordinator stops.
   */
  completed(jobId: string): CompletedJob | null {
    const job = this.#jobs.get(jobId)
    if (job.status === 'completed') return job
    if (job.status === 'cancelled') throw new AppError('cancelled', `Job ${jobId} was cancelled.`)
    if (hasEnded(job)) {
      const { code, message } = job.error
      throw new AppError(isErrorCode(code) ? code : 'internal', message)
    }
    if (!this.#isClosed) return null
    const message = `The coordinator stops. Job ${jobId} goes on when it is back.`
    throw new AppError('unavailable', message)
  }

  /** Resolves when the job may have changed. @throws the signal's reason when aborted. */
  async change(jobId: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const waiting = this.#waiting.get(jobId) ?? new Set()
    this.#waiting.set(jobId, waiting)
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        waiting.delete(wake)
        if (waiting.size === 0 && this.#waiting.get(jobId) === waiting) this.#waiting.delete(jobId)
        reject(signal.reason as Error)
      }
      const wake = (): void => {
        signal.removeEventListener('abort', stop)
        resolve()
      }
      waiting.add(wake)
      signal.addEventListener('abort', stop, { once: true })
    })
  }

  /** All that wait get `unavailable`. */
  close(): void {
    this.#isClosed = true
    for (const jobId of this.#waiting.keys()) this.wake(jobId)
  }
}
