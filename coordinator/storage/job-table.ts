import { AppError, messageOf } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { OnceATurn } from '../../shared/once-a-turn.ts'
import type { Status } from '../../shared/wire.ts'
import type { Job, ProcessingJob } from '../job/job.ts'
import { refuseOwned } from './data-folder.ts'
import { JobFolders, type Quarantined } from './folders.ts'
import { Follower } from './follower.ts'
import { replayLog, takeOver, type JournalEntry } from './journal-files.ts'
import { Journal } from './journal.ts'
import { syncBelow } from './sync.ts'
import { JobIndex } from './job-index.ts'
import type { JobQuery } from './job-store.ts'
import { makeFolder } from './private-folder.ts'
import { fromRecord, toRecord } from './record.ts'

/** The part of it that reads and changes jobs. */
export type JobRows = Pick<
  JobTable,
  | 'get'
  | 'inStatus'
  | 'newest'
  | 'ofTask'
  | 'heldBy'
  | 'openOf'
  | 'check'
  | 'put'
  | 'touch'
  | 'remove'
>

/** Whether a failed change certainly did not happen. */
export function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.code === 'no_space'
}

export interface JobTableOptions {
  dir: string
  now: () => number
  /** The journal is cut beyond this length, and never exceeds twice this. */
  journalBytes: number
  onError: (message: string, error: unknown) => void
  /** A monotonic clock, in milliseconds. */
  steady?: () => number
  /** Whether its jobs may be in a database: they are moved there, or back. */
  isMoved?: boolean
}

/**
 * The jobs of a data folder: status folders as the database, the journal as its redo log, an index in memory.
 * `put` and `remove` publish a change once it is durable; `touch` changes memory alone.
 */
export class JobTable {
  readonly #options: JobTableOptions
  readonly #folders: JobFolders
  readonly #jobs = new Map<string, Job>()
  readonly #index = new JobIndex()
  readonly #lock: FolderLock
  readonly #isOurs: OnceATurn<boolean>
  #journal!: Journal
  #follower!: Follower
  #closing: Promise<void> | null = null
  /** Found invalid at the start. */
  readonly quarantined: Quarantined[] = []

  private constructor(options: JobTableOptions, lock: FolderLock, folders: JobFolders) {
    this.#options = options
    this.#lock = lock
    this.#isOurs = new OnceATurn(() => lock.isOurs())
    this.#folders = folders
  }

  /**
   * Reads the folders and replays the journal over them.
   * @throws {AppError} `usage` when the folder is unusable or in use by another coordinator.
   */
  static async open(options: JobTableOptions): Promise<JobTable> {
    const { dir } = options
    try {
      makeFolder(dir)
      const lock = await lockFolder(dir)
      const inUse = `Another coordinator is running on ${dir}: stop it or name another --data-dir.`
      if (lock === null) throw new AppError('usage', inUse)
      try {
        if (options.isMoved !== true) await refuseOwned(dir)
        const store = new JobTable(options, lock, new JobFolders(dir))
        await store.#recover()
        return store
      } catch (error) {
        await lock.release()
        throw error
      }
    } catch (error) {
      if (error instanceof AppError) throw error
      const unfit = `The data folder ${dir} cannot be used (${messageOf(error)}): name another with --data-dir.`
      throw new AppError('usage', unfit, { cause: error })
    }
  }

  get size(): number {
    return this.#jobs.size
  }

  /** Why it takes no change, or null. */
  get failure(): AppError | null {
    return this.#journal.failure
  }

  /** Whether the lock is held: see {@link FolderLock.isOurs}. */
  get isOurs(): boolean {
    return this.#lock.isOurs()
  }

  /** Takes no change and writes nothing more: the lock is lost. */
  abandon(reason: AppError): void {
    this.#journal.fail(reason)
    this.#follower.abandon()
  }

  get foldersBehind(): string | null {
    return this.#follower.behind
  }

  get folderLagMs(): number {
    return this.#follower.lagMs
  }

  get journalBytes(): number {
    return this.#journal.totalBytes
  }

  get(jobId: string): Job | undefined {
    return this.#jobs.get(jobId)
  }

  /** Oldest first. */
  *inStatus<S extends Status>(status: S): Iterable<Job & { status: S }> {
    for (const jobId of this.#index.inStatus(status))
      yield this.#jobs.get(jobId) as Job & { status: S }
  }

  /** Newest first: at least all that are looked for. The jobs must not change meanwhile. */
  *newest(query: JobQuery = {}): Iterable<Job> {
    for (const jobId of this.#index.newest(query)) yield this.#jobs.get(jobId)!
  }

  /** Newest first. A client may use one task id for several jobs. */
  ofTask(taskId: string): Job[] {
    const jobs = this.#index.ofTask(taskId).map((jobId) => this.#jobs.get(jobId))
    return jobs
      .filter((job) => job?.ingestionTaskId === taskId)
      .map((job) => job!)
      .toReversed()
      .toSorted((a, b) => b.createdAt - a.createdAt)
  }

  /** What a worker processes. */
  heldBy(workerId: string): ProcessingJob[] {
    const ids = this.#index.heldBy(workerId)
    return Array.from(ids, (jobId) => this.#jobs.get(jobId) as ProcessingJob)
  }

  /** How many jobs of a submitter wait or run. */
  openOf(submittedBy: string): number {
    return this.#index.openOf(submittedBy)
  }

  /** Call before a job's files are changed. @throws {AppError} `unavailable` when no change can be taken. */
  check(): void {
    if (this.failure !== null) throw this.failure
    if (!this.#isOurs.get()) throw notOurs(this.#options.dir)
  }

  /** Keeps a new or changed job. */
  async put(job: Job): Promise<void> {
    await this.#journal.append({ put: toRecord(job) })
    this.#publish(job)
    this.#follower.mark(job.jobId, job)
  }

  touch(job: Job): void {
    this.#jobs.set(job.jobId, job)
  }

  async remove(jobId: string): Promise<void> {
    await this.#journal.append({ remove: jobId })
    this.#index.change(this.#jobs.get(jobId) ?? null, null)
    this.#jobs.delete(jobId)
    this.#follower.mark(jobId, null)
  }

  async checkpoint(): Promise<void> {
    await this.#follower.checkpoint()
  }

  async close(): Promise<void> {
    await (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      await this.#follower.close()
    } finally {
      await this.#journal.close()
      await this.#lock.release()
    }
  }

  async #recover(): Promise<void> {
    const { dir, now, journalBytes, onError, steady = () => performance.now() } = this.#options
    const newest = new Map<string, JournalEntry>()
    await takeOver(dir)
    const ignoredBytes = replayLog(dir, (entry) => newest.set(idIn(entry), entry))
    const torn = `The journal ends in ${ignoredBytes} bytes that were never acknowledged: left out.`
    if (ignoredBytes > 0) onError(torn, null)
    const { jobs, quarantined } = this.#folders.load(now(), newest)
    this.quarantined.push(...quarantined)
    const changed = new Map<string, Job | null>()
    for (const [jobId, entry] of newest) {
      const job = 'put' in entry ? jobIn(entry.put, now()) : null
      changed.set(jobId, job)
      if (job !== null) jobs.set(jobId, job)
      newest.delete(jobId)
    }
    // In order, each goes to the end of its lists.
    for (const job of [...jobs.values()].sort((a, b) => a.createdAt - b.createdAt)) {
      this.#publish(job)
      if (this.#folders.statusOf(job.jobId) !== job.status) changed.set(job.jobId, job)
    }
    if (changed.size > 0 || ignoredBytes > 0) {
      await this.#folders.follow(changed)
      await syncBelow(dir)
    }
    this.#journal = await Journal.start(dir, {
      mostBytes: 2 * journalBytes,
      onFull: () => this.#follower.followSoon(),
    })
    this.#follower = new Follower({
      dir,
      folders: this.#folders,
      journal: this.#journal,
      journalBytes,
      onError,
      steady,
      isOurs: () => this.isOurs,
    })
  }

  #publish(job: Job): void {
    this.#index.change(this.#jobs.get(job.jobId) ?? null, job)
    this.#jobs.set(job.jobId, job)
  }
}

/** The lock on the data folder is lost. */
export function notOurs(dir: string): AppError {
  const message = `${dir}/lock was removed or replaced, so another coordinator may have the folder: this one stops, and writes nothing to it any more.`
  return new AppError('unavailable', message)
}

function idIn(entry: JournalEntry): string {
  return 'put' in entry ? (entry.put as { job_id: string }).job_id : entry.remove
}

function jobIn(put: unknown, now: number): Job {
  const { job_id: jobId, status } = put as { job_id: string; status: Status }
  return fromRecord(put, jobId, status, now)
}
