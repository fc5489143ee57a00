import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { JobReader } from '../storage/job-store.ts'
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
export class Quotas {
  readonly #jobs: Pick<JobReader, 'openOf'>
  readonly #usage: Pick<Usage, 'mediaMsOf'>
  readonly #now: () => number
  readonly #turns = new KeyedMutex()
  /** The jobs of a token that are being created. */
  readonly #begun = new Map<string, Map<string, object>>()

  constructor(jobs: Pick<JobReader, 'openOf'>, usage: Pick<Usage, 'mediaMsOf'>, now: () => number) {
    this.#jobs = jobs
    this.#usage = usage
    this.#now = now
  }

  /** @throws {AppError} `quota_exceeded` while the holder may create no job. */
  async check({ submittedBy, quota }: Holder): Promise<void> {
    if (submittedBy === null || !isLimited(quota)) return
    const begun = [...(this.#begun.get(submittedBy)?.keys() ?? [])]
    const now = this.#now()
    const { maxJobs, maxMediaHoursPerDay } = quota
    // One that is being created may be there already: it counts once.
    const open = maxJobs === null ? 0 : begun.length + (await this.#jobs.openOf(submittedBy, begun))
    const mediaMs =
      maxMediaHoursPerDay === null ? 0 : await this.#usage.mediaMsOf(submittedBy, dayOf(now))
    const refused = refusalOf(quota, { open, mediaMs }, now)
    if (refused !== null) throw refused
  }

  /**
   * Keeps a place for a job that is being created.
   * @returns a function that ends that; the job itself then counts, if there is one.
   * @throws {AppError} `quota_exceeded`
   */
  async begin(holder: Holder, jobId: string): Promise<() => void> {
    const { submittedBy, quota } = holder
    if (submittedBy === null || !isLimited(quota)) return () => undefined
    return await this.#turns.take(submittedBy, async () => {
      await this.check(holder)
      const begun: Map<string, object> = this.#begun.get(submittedBy) ?? new Map()
      this.#begun.set(submittedBy, begun)
      const mine = {}
      begun.set(jobId, mine)
      return () => {
        if (begun.get(jobId) !== mine) return
        begun.delete(jobId)
        if (begun.size === 0 && this.#begun.get(submittedBy) === begun)
          this.#begun.delete(submittedBy)
      }
    })
  }
}

function isLimited(quota: Quota | undefined): quota is Quota {
  return quota !== undefined && Object.values(quota).some((most) => most !== null)
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
