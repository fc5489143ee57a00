import { AppError } from '../../shared/errors.ts'
import type { Job } from '../job/job.ts'
import type { JobSubscriber } from '../jobs.ts'
import { isRefused } from '../storage/job-table.ts'
import { countsOf, mediaSecondsOf, sumOf, type Counts } from '../job/usage-counts.ts'
import { addTo, dayOf, Days, type ByToken, type Day } from './days.ts'
import { RemovedJobs, type RemovedJobsOptions, type Written } from './removed-jobs.ts'
import type { Usage } from './usage.ts'

/** Of the jobs of a data folder, in memory, and of those removed from it, in `usage/`. */
export class FileUsage implements Usage, JobSubscriber {
  readonly #present: Days
  readonly #removed: RemovedJobs
  readonly #removals = new Map<string, Written>()
  /** What removed jobs of the newest day have used, for quotas. */
  #newest: { day: Day; gone: ByToken }

  private constructor(present: Days, removed: RemovedJobs, newest: { day: Day; gone: ByToken }) {
    this.#present = present
    this.#removed = removed
    this.#newest = newest
  }

  /** @param jobs all that there are. @throws {AppError} `unavailable` for a damaged file in `usage/`. */
  static async open(
    jobs: Iterable<Job>,
    now: number,
    options: RemovedJobsOptions,
  ): Promise<FileUsage> {
    const present = new Days()
    const created = new Map<string, number>()
    for (const job of jobs) {
      created.set(job.jobId, job.createdAt)
      present.add(dayOf(job.createdAt), job.submittedBy, countsOf(job))
    }
    const isThere = (one: { jobId: string; created: number }): boolean =>
      created.get(one.jobId) === one.created
    const removed = await RemovedJobs.open(options, isThere)
    const day = dayOf(now)
    return new FileUsage(present, removed, { day, gone: await removed.on(day, (tokens) => tokens) })
  }

  onChange(before: Job | null, after: Job | null): void {
    if (before !== null && after !== null) return this.#replace(before, after)
    const job = (before ?? after)!
    const [day, token, counts] = [dayOf(job.createdAt), job.submittedBy, countsOf(job)]
    if (after !== null) return this.#present.add(day, token, counts)
    this.#removals.get(job.jobId)?.confirm()
    this.#removals.delete(job.jobId)
    this.#present.add(day, token, counts, -1)
    if (day > this.#newest.day) this.#newest = { day, gone: new Map() }
    if (day === this.#newest.day) addTo(this.#newest.gone, token, counts)
  }

  onDetail(before: Job, after: Job): void {
    if (mediaSecondsOf(before) !== mediaSecondsOf(after)) this.#replace(before, after)
  }

  /**
   * Removes a job so that what it has used stays.
   * @param remove makes the removal durable.
   * @throws {AppError} `no_space`, `unavailable` when that cannot be written; what `remove` throws.
   */
  async removing(job: Job, remove: () => Promise<void>): Promise<void> {
    const { jobId, createdAt: created, submittedBy: tokenId } = job
    const removal = { jobId, created, day: dayOf(created), tokenId, counts: countsOf(job) }
    const written = await this.#removed.write(removal)
    this.#removals.set(jobId, written)
    try {
      await remove()
    } catch (error) {
      this.#removals.delete(jobId)
      // After other failures the next start knows.
      const isThere = isRefused(error) || (error instanceof AppError && error.code === 'conflict')
      if (isThere) written.refuse()
      throw error
    }
  }

  /** Exact for today. */
  async mediaMsOf(token: string, day: Day): Promise<number> {
    const gone = this.#newest.day === day ? this.#newest.gone.get(token) : undefined
    return (this.#present.on(day).get(token)?.mediaMs ?? 0) + (gone?.mediaMs ?? 0)
  }

  async days(from: Day, to: Day): Promise<Day[]> {
    const all = new Set([...this.#removed.days(), ...this.#present.keys()])
    return [...all].filter((day) => from <= day && day <= to).sort()
  }

  async on(day: Day): Promise<ReadonlyMap<string | null, Counts>> {
    return await this.#removed.on(day, (tokens) => {
      for (const [token, counts] of this.#present.on(day)) addTo(tokens, token, counts)
      return tokens
    })
  }

  async close(): Promise<void> {
    await this.#removed.close()
  }

  #replace(before: Job, after: Job): void {
    const change = sumOf(countsOf(after), countsOf(before), -1)
    this.#present.add(dayOf(after.createdAt), after.submittedBy, change)
  }
}
