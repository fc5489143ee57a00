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

const OTHER_STATUSES = ENDED_STATUSES.filter((status) => status !== 'completed')
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
    const { completedMs, failedMs } = this.#retention
    const [uploads, completed, others] = await Promise.allSettled([
      this.#dropSources(this.#jobs.now(), signal),
      this.#removeAll(['completed'], completedMs, { dryRun: false, signal }),
      this.#removeAll(OTHER_STATUSES, failedMs, { dryRun: false, signal }),
    ])
    if (uploads.status === 'rejected') throw uploads.reason
    if (completed.status === 'rejected') throw completed.reason
    if (others.status === 'rejected') throw others.reason
    return {
      expired: 0,
      removed: completed.value.removed + others.value.removed,
      freedBytes: uploads.value + completed.value.freedBytes + others.value.freedBytes,
    }
  }

  /** @returns what was done, or in a dry run would be. */
  async run(request: CleanupRequest): Promise<CleanupAnswer> {
    const { olderThanDays, statuses, dryRun } = request
    const expired = request.expire ? await this.expire(dryRun) : 0
    const chosen: readonly EndedJob['status'][] =
      statuses ?? ((olderThanDays ?? null) === null ? [] : ENDED_STATUSES)
    const keepMs = (olderThanDays ?? 0) * DAY
    return { expired, ...(await this.#removeAll(chosen, keepMs, { dryRun })) }
  }

  /** Removes a job and its files. @returns the bytes freed. @throws {AppError} as {@link Jobs.remove}. */
  async remove(jobId: string, isOld?: (job: EndedJob) => boolean): Promise<number> {
    return await this.#jobs.remove(jobId, async (job) => await this.#files.remove(job), isOld)
  }

  /**
   * Removes files without a job; to be called before requests come, unless `isKept` leaves what others are about to use.
   * @param isKept by the id of the job and the path of a file.
   * @returns how many were removed.
   */
  async removeOrphans(
    isKept: (jobId: string, file: string) => boolean | Promise<boolean>,
  ): Promise<number> {
    return await this.#files.removeOrphans(
      isKept,
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

  /** @param keepMs null: they are kept. */
  async #removeAll(
    statuses: readonly EndedJob['status'][],
    keepMs: number | null,
    { dryRun, signal }: { dryRun: boolean; signal?: AbortSignal | undefined },
  ): Promise<{ removed: number; freedBytes: number }> {
    if (keepMs === null || statuses.length === 0) return { removed: 0, freedBytes: 0 }
    const now = this.#jobs.now()
    const isOld = (job: EndedJob): boolean =>
      statuses.includes(job.status) && keptUntil(job, keepMs) <= now
    const freed = await forEach(
      this.#jobs.reader.ended(statuses, now - keepMs),
      async (job) => {
        if (!isOld(job)) return null
        if (dryRun) return await this.#files.size(job)
        return await unlessChanged(this.remove(job.jobId, isOld))
      },
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
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const done: R[] = []
  const failures: unknown[] = []
  const left = Symbol.iterator in items ? [...items].values() : items
  const lane = async (): Promise<void> => {
    for await (const item of left) {
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
