import { DAY } from '../shared/duration.ts'
import { AppError } from '../shared/errors.ts'
import { ENDED_STATUSES, type CleanupRequest } from '../shared/wire.ts'
import type { CleanupAnswer } from '../shared/wire-answers.ts'
import type { Retention } from './config.ts'
import type { JobFiles } from './blobs/job-files.ts'
import { hasEnded, type EndedJob } from './job/job.ts'
import { nextDueAt } from './job/continuation.ts'
import type { Jobs } from './jobs.ts'
import { isJobId } from './storage/record.ts'

/** Parallel removals: they share the journal's writes. */
const CONCURRENCY = 8
/** How long a pending continuation keeps its job: a receiver that is down must not fill the disk. */
const MAX_CONTINUATION_WAIT_MS = 7 * DAY

/** Expires leases, attempts and waits, and removes jobs and files that are past their retention. */
export class Cleanup {
  readonly #jobs: Jobs
  readonly #files: JobFiles
  readonly #retention: Retention

  constructor(jobs: Jobs, files: JobFiles, retention: Retention) {
    this.#jobs = jobs
    this.#files = files
    this.#retention = retention
  }

  /** Ends leases, attempts and waits whose time is over. @returns how many. */
  async expire(dryRun = false): Promise<number> {
    const due = await this.#jobs.reader.overdue(this.#jobs.policy.queueLimitMs)
    if (dryRun) return due.length
    const ended = await Promise.all(
      due.map(async ({ jobId, type }) => await unlessChanged(this.#jobs.apply(jobId, { type }))),
    )
    return ended.filter((job) => job !== null).length
  }

  /** Removes what is past its retention. @param signal stops before the next job. */
  async retire(signal?: AbortSignal): Promise<CleanupAnswer> {
    const now = this.#jobs.now()
    const { completedMs, failedMs } = this.#retention
    const isOld = (job: EndedJob): boolean => {
      const keep = job.status === 'completed' ? completedMs : failedMs
      return keep !== null && keptUntil(job, keep) <= now
    }
    const [uploads, ended] = await Promise.allSettled([
      this.#dropSources(now, signal),
      this.#removeAll(isOld, { dryRun: false, signal }),
    ])
    if (uploads.status === 'rejected') throw uploads.reason
    if (ended.status === 'rejected') throw ended.reason
    const { removed, freedBytes } = ended.value
    return { expired: 0, removed, freedBytes: uploads.value + freedBytes }
  }

  /** @returns what was done, or in a dry run would be. */
  async run(request: CleanupRequest): Promise<CleanupAnswer> {
    const { olderThanDays, statuses, dryRun } = request
    const expired = request.expire ? await this.expire(dryRun) : 0
    const now = this.#jobs.now()
    const chosen: readonly EndedJob['status'][] =
      statuses ?? ((olderThanDays ?? null) === null ? [] : ENDED_STATUSES)
    const isOld = (job: EndedJob): boolean =>
      chosen.includes(job.status) && keptUntil(job, (olderThanDays ?? 0) * DAY) <= now
    return { expired, ...(await this.#removeAll(isOld, { dryRun })) }
  }

  /** Removes a job and its files. @returns the bytes freed. @throws {AppError} as {@link Jobs.remove}. */
  async remove(jobId: string, isOld?: (job: EndedJob) => boolean): Promise<number> {
    return await this.#jobs.remove(jobId, async (job) => await this.#files.remove(job), isOld)
  }

  /**
   * Removes files without a job; to be called before requests come.
   * @param isQuarantined whether a job's own file is in quarantine: its other files stay.
   * @returns how many were removed.
   */
  async removeOrphans(isQuarantined: (jobId: string) => boolean): Promise<number> {
    return await this.#files.removeOrphans(
      isQuarantined,
      async (ids) => await this.#jobs.reader.getMany(ids.filter(isJobId)),
    )
  }

  /** Removes uploads by `--remove-sources`; their jobs stay. @returns the bytes freed. */
  async #dropSources(now: number, signal: AbortSignal | undefined): Promise<number> {
    const { sourcesMs } = this.#retention
    if (sourcesMs === null) return 0
    const freed = await forEach(
      await this.#files.sources.ids(),
      async (jobId) =>
        await this.#jobs.locked(jobId, async (job) => {
          if (job === undefined || !hasEnded(job)) return 0
          const isDue =
            sourcesMs === 'on-success'
              ? job.status === 'completed'
              : job.completedAt + sourcesMs <= now
          return isDue ? await this.#files.sources.remove(job) : 0
        }),
      signal,
    )
    return sum(freed)
  }

  async #removeAll(
    isOld: (job: EndedJob) => boolean,
    { dryRun, signal }: { dryRun: boolean; signal?: AbortSignal | undefined },
  ): Promise<{ removed: number; freedBytes: number }> {
    const ended = await this.#jobs.reader.ended(ENDED_STATUSES, this.#jobs.now())
    const freed = await forEach(
      ended.filter(isOld),
      async (job) =>
        dryRun ? await this.#files.size(job) : await unlessChanged(this.remove(job.jobId, isOld)),
      signal,
    )
    const removed = freed.filter((bytes) => bytes !== null)
    return { removed: removed.length, freedBytes: sum(removed) }
  }
}

/** Until when an ended job is kept for `keepMs`, from its end and its continuation's last try. */
function keptUntil({ completedAt, continuation }: EndedJob, keepMs: number): number {
  if (continuation === null) return completedAt + keepMs
  const tried = continuation.steps.map(({ lastAt }) => lastAt).filter((at) => at !== null)
  const isDue = nextDueAt(continuation) !== null
  return (
    Math.max(completedAt, ...tried) + (isDue ? Math.max(keepMs, MAX_CONTINUATION_WAIT_MS) : keepMs)
  )
}

/** Works on all items, a few at a time, until `signal` is aborted. @throws the first failure, after the rest. */
async function forEach<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const done: R[] = []
  const failures: unknown[] = []
  const left = [...items].values()
  const lane = async (): Promise<void> => {
    for (const item of left) {
      if (signal?.aborted === true) return
      try {
        done.push(await work(item))
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, lane))
  if (failures.length > 0) throw failures[0]
  return done
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

/** Null when the job has been removed or changed meanwhile. */
async function unlessChanged<T>(change: Promise<T>): Promise<T | null> {
  try {
    return await change
  } catch (error) {
    if (error instanceof AppError && ['not_found', 'conflict'].includes(error.code)) return null
    throw error
  }
}
