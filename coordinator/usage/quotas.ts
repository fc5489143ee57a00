import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { hasEnded, type Job } from '../job/job.ts'
import type { JobSubscriber } from '../jobs.ts'
import { dayOf, endOfDay } from './days.ts'
import type { Usage } from './usage.ts'

/** What a token may have; null: no limit. */
export interface Quota {
  /** Jobs that wait or run. */
  maxJobs: number | null
  /** Of recordings, by the day on which their jobs were created. */
  maxMediaHoursPerDay: number | null
}

/** Who submits a job. */
export interface Holder {
  submittedBy: string | null
  quota?: Quota | undefined
}

/** Jobs may end at any time. */
const RETRY_JOBS_SECONDS = 30

/** Refuses jobs beyond a token's quota. */
export class Quotas implements JobSubscriber {
  readonly #usage: Pick<Usage, 'mediaMsOf'>
  readonly #now: () => number
  /** How many jobs of a token are open. */
  readonly #open = new Map<string, number>()
  /** The jobs of a token that are being created. */
  readonly #begun = new Map<string, Map<string, object>>()

  constructor(jobs: Iterable<Job>, usage: Pick<Usage, 'mediaMsOf'>, now: () => number) {
    this.#usage = usage
    this.#now = now
    for (const job of jobs) this.#count(job, 1)
  }

  onChange(before: Job | null, after: Job | null): void {
    if (after !== null) this.#count(after, 1)
    if (before !== null) this.#count(before, -1)
    if (before === null && after !== null)
      this.#begun.get(after.submittedBy ?? '')?.delete(after.jobId)
  }

  /** @throws {AppError} `quota_exceeded` while the holder may create no job. */
  check({ submittedBy, quota }: Holder): void {
    if (submittedBy === null || quota === undefined) return
    const open = (this.#open.get(submittedBy) ?? 0) + (this.#begun.get(submittedBy)?.size ?? 0)
    const now = this.#now()
    const mediaMs = this.#usage.mediaMsOf(submittedBy, dayOf(now))
    const refused = refusalOf(quota, { open, mediaMs }, now)
    if (refused !== null) throw refused
  }

  /**
   * Keeps a place for a job that is being created.
   * @returns a function that ends that; the job itself then counts, if there is one.
   * @throws {AppError} `quota_exceeded`
   */
  begin(holder: Holder, jobId: string): () => void {
    this.check(holder)
    const { submittedBy, quota } = holder
    if (submittedBy === null || quota === undefined) return () => undefined
    const begun: Map<string, object> = this.#begun.get(submittedBy) ?? new Map()
    this.#begun.set(submittedBy, begun)
    const mine = {}
    begun.set(jobId, mine)
    return () => {
      if (begun.get(jobId) === mine) begun.delete(jobId)
    }
  }

  #count(job: Job, by: 1 | -1): void {
    const { submittedBy } = job
    if (submittedBy === null || hasEnded(job)) return
    const open = (this.#open.get(submittedBy) ?? 0) + by
    if (open === 0) this.#open.delete(submittedBy)
    else this.#open.set(submittedBy, open)
  }
}

/** Why a token may create no job now, or null. At exactly its limit it may not. */
export function refusalOf(
  { maxJobs, maxMediaHoursPerDay }: Quota,
  { open, mediaMs }: { open: number; mediaMs: number },
  now: number,
): AppError | null {
  if (maxJobs !== null && open >= maxJobs) {
    const message = `This token has ${open} jobs that wait or run, and may have ${maxJobs} (--max-jobs): wait until one has ended.`
    return new AppError('quota_exceeded', message, { retryAfterSeconds: RETRY_JOBS_SECONDS })
  }
  if (maxMediaHoursPerDay === null || mediaMs < maxMediaHoursPerDay * HOUR) return null
  const reset = endOfDay(now)
  const at = new Date(reset).toISOString().replace(/T(\d\d:\d\d).*/, ' $1 UTC')
  const hours = (mediaMs / HOUR).toFixed(1)
  const message = `This token has submitted ${hours} hours of recordings today, and may submit ${maxMediaHoursPerDay} a day (--max-media-hours-per-day): submit more from ${at} on.`
  const retryAfterSeconds = Math.ceil((reset - now) / SECOND)
  return new AppError('quota_exceeded', message, { retryAfterSeconds })
}
