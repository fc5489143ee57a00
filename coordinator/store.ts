import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { AppError, messageOf } from '../shared/errors.ts'
import { lockFolder, type FolderLock } from '../shared/lock.ts'
import { STATUSES, type Status } from '../shared/wire.ts'
import { JobFolders, type Quarantined } from './folders.ts'
import type { Job } from './job.ts'
import { Journal, replay } from './journal.ts'
import { JobOrder, type OrderKey } from './order.ts'
import { fromRecord, toRecord } from './record.ts'

/**
 * Jobs that are safe once a call resolves. `create`, `update` and `remove` publish a change only when it is durable;
 * `touch` keeps progress and lease renewals in memory alone.
 */
export interface JobStore {
  get(jobId: string): Job | undefined
  /** Ids of the jobs in a status, in no order. */
  idsOf(status: Status): ReadonlySet<string>
  /** Newest first, from the first that is older than `before`. */
  newest(before?: OrderKey): Iterable<Job>
  create(job: Job): Promise<void>
  update(job: Job): Promise<void>
  touch(job: Job): void
  remove(jobId: string): Promise<void>
}

export interface StoreOptions {
  dir: string
  now: () => number
  /** The journal is cut when it is longer than this. */
  journalBytes: number
  onError: (message: string, error: unknown) => void
}

/** Folders follow within this time. */
const FOLLOW_MS = 500

/** The jobs of one data folder: folders as the database, the journal as its redo log, an index in memory. */
export class FileJobStore implements JobStore {
  readonly #options: StoreOptions
  readonly #folders: JobFolders
  readonly #jobs = new Map<string, Job>()
  readonly #byStatus = new Map<Status, Set<string>>(STATUSES.map((status) => [status, new Set()]))
  readonly #order = new JobOrder()
  readonly #changed = new Map<string, Job | null>()
  readonly #lock: FolderLock
  #journal!: Journal
  #timer: NodeJS.Timeout | null = null
  #following: Promise<void> = Promise.resolve()
  /** What was set aside at the start. */
  readonly quarantined: Quarantined[] = []
  /** Why the folders are behind, or null. */
  foldersBehind: string | null = null

  private constructor(options: StoreOptions, lock: FolderLock, folders: JobFolders) {
    this.#options = options
    this.#lock = lock
    this.#folders = folders
  }

  /**
   * Reads the folders, replays the journal over them and repairs what differs.
   * @throws {AppError} `usage` when the folder cannot be used or another coordinator has it.
   */
  static async open(options: StoreOptions): Promise<FileJobStore> {
    const { dir } = options
    try {
      await mkdir(dir, { recursive: true, mode: 0o750 })
      const lock = await lockFolder(dir)
      if (lock === null)
        throw new AppError(
          'usage',
          `Another coordinator is running on ${dir}: stop it or name another --data-dir.`,
        )
      const store = new FileJobStore(options, lock, new JobFolders(dir))
      await store.#recover()
      return store
    } catch (error) {
      if (error instanceof AppError) throw error
      throw new AppError(
        'usage',
        `The data folder ${dir} cannot be used (${messageOf(error)}): name another with --data-dir.`,
        { cause: error },
      )
    }
  }

  get size(): number {
    return this.#jobs.size
  }

  /** Why no change can be taken, or null. */
  get failure(): AppError | null {
    return this.#journal.failure
  }

  get(jobId: string): Job | undefined {
    return this.#jobs.get(jobId)
  }

  idsOf(status: Status): ReadonlySet<string> {
    return this.#byStatus.get(status)!
  }

  *newest(before?: OrderKey): Iterable<Job> {
    for (const jobId of this.#order.newest(before)) {
      const job = this.#jobs.get(jobId)
      if (job !== undefined) yield job
    }
  }

  async create(job: Job): Promise<void> {
    await this.#save(job)
    this.#order.insert(job)
  }

  async update(job: Job): Promise<void> {
    await this.#save(job)
  }

  touch(job: Job): void {
    this.#jobs.set(job.jobId, job)
  }

  async remove(jobId: string): Promise<void> {
    await this.#journal.append({ remove: jobId })
    this.#forget(jobId)
    this.#jobs.delete(jobId)
    this.#order.removed((id) => this.#jobs.has(id))
    this.#markChanged(jobId, null)
  }

  /** Brings the folders up to date and empties the journal; then they are all there is. */
  async checkpoint(): Promise<void> {
    await this.#journal.cut()
    await this.#follow()
    if (this.foldersBehind !== null) return
    await syncFolder(this.#options.dir)
    await this.#journal.dropPrevious()
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.failure === null) await this.checkpoint()
    await this.#journal.close()
    await this.#lock.release()
  }

  async #recover(): Promise<void> {
    const { dir, now, onError } = this.#options
    const { jobs, quarantined } = this.#folders.load(now())
    this.quarantined.push(...quarantined)
    const { entries, ignoredBytes } = replay(dir)
    if (ignoredBytes > 0)
      onError(
        `The journal ends in ${ignoredBytes} bytes that were never acknowledged; they are left out.`,
        null,
      )
    for (const entry of entries) {
      if ('remove' in entry) {
        jobs.delete(entry.remove)
        this.#changed.set(entry.remove, null)
      } else {
        const raw = entry.put as { job_id: string; status: Status }
        const job = fromRecord(raw, raw.job_id, raw.status, now())
        jobs.set(job.jobId, job)
        this.#changed.set(job.jobId, job)
      }
    }
    for (const job of jobs.values()) {
      this.#jobs.set(job.jobId, job)
      this.#byStatus.get(job.status)!.add(job.jobId)
      if (this.#folders.statusOf(job.jobId) !== job.status) this.#changed.set(job.jobId, job)
    }
    this.#order.fill(jobs.values())
    if (this.#changed.size > 0 || ignoredBytes > 0) {
      await this.#folders.follow(this.#changed)
      await syncFolder(dir)
    }
    this.#journal = await Journal.start(dir)
  }

  async #save(job: Job): Promise<void> {
    await this.#journal.append({ put: toRecord(job) })
    this.#forget(job.jobId)
    this.#jobs.set(job.jobId, job)
    this.#byStatus.get(job.status)!.add(job.jobId)
    this.#markChanged(job.jobId, job)
  }

  #forget(jobId: string): void {
    const old = this.#jobs.get(jobId)
    if (old !== undefined) this.#byStatus.get(old.status)!.delete(jobId)
  }

  #markChanged(jobId: string, job: Job | null): void {
    this.#changed.set(jobId, job)
    this.#timer ??= setTimeout(() => void this.#tick(), FOLLOW_MS).unref()
  }

  async #tick(): Promise<void> {
    this.#timer = null
    try {
      if (this.#journal.bytes > this.#options.journalBytes) await this.checkpoint()
      else await this.#follow()
    } catch (error) {
      this.#options.onError('The journal could not be cut.', error)
    }
    if (this.#changed.size > 0)
      this.#timer ??= setTimeout(() => void this.#tick(), FOLLOW_MS).unref()
  }

  /** One at a time; a failure is kept and tried again with the next round, the journal holding the truth. */
  async #follow(): Promise<void> {
    this.#following = this.#following.then(async () => {
      try {
        await this.#folders.follow(this.#changed)
        this.foldersBehind = null
      } catch (error) {
        if (this.foldersBehind === null)
          this.#options.onError(
            'The status folders cannot be written; the journal holds on.',
            error,
          )
        this.foldersBehind = messageOf(error)
      }
    })
    await this.#following
  }
}

/** Makes all that was written below a folder durable: one pass over its file system, which Node has no call for. */
async function syncFolder(dir: string): Promise<void> {
  const { failed } = await execa('sync', ['-f', path.resolve(dir)], {
    reject: false,
    stdin: 'ignore',
  })
  if (failed) await execa('sync', [], { stdin: 'ignore' })
}
