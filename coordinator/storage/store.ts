import { mkdir } from 'node:fs/promises'
import { AppError, messageOf } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job } from '../job/job.ts'
import { diskReason } from './disk-reason.ts'
import { JobFolders, type Quarantined } from './folders.ts'
import type { JobStore } from './job-store.ts'
import { Journal, replay } from './journal.ts'
import { syncBelow } from './sync.ts'
import { JobOrder, type OrderKey } from './order.ts'
import { fromRecord, toRecord } from './record.ts'

export interface StoreOptions {
  dir: string
  now: () => number
  /** The journal is cut when it is longer than this. */
  journalBytes: number
  onError: (message: string, error: unknown) => void
}

/** Folders follow within this time. */
const FOLLOW_MS = 500
/** A slow sync holds up nobody for longer: the journal that it was to empty is replayed at the next start. */
const SYNC_PATIENCE_MS = 30_000

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
  #checkpointing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null
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
      const inUse = `Another coordinator is running on ${dir}: stop it or name another --data-dir.`
      if (lock === null) throw new AppError('usage', inUse)
      try {
        const store = new FileJobStore(options, lock, new JobFolders(dir))
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
    await this.update(job)
    this.#order.insert(job)
  }

  async update(job: Job): Promise<void> {
    await this.#journal.append({ put: toRecord(job) })
    this.#publish(job)
    this.#markChanged(job.jobId, job)
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

  /** Brings the folders up to date and empties the journal; then they are all there is. One at a time. */
  async checkpoint(): Promise<void> {
    const done = this.#checkpointing.then(async () => {
      // What an earlier round put aside and could not bring to the folders comes first.
      if (this.#journal.aside && !(await this.#settle())) return
      await this.#journal.cut()
      await this.#settle()
    })
    this.#checkpointing = done.catch(() => undefined)
    await done
  }

  async close(): Promise<void> {
    await (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    try {
      if (this.failure === null) await this.checkpoint()
    } finally {
      await Promise.all([this.#checkpointing, this.#following])
      await this.#journal.close()
      await this.#lock.release()
    }
  }

  /** Makes the folders hold what the journal has put aside, and drops that; false when they cannot. */
  async #settle(): Promise<boolean> {
    await this.#follow()
    if (this.foldersBehind !== null) return false
    await syncBelow(this.#options.dir, SYNC_PATIENCE_MS)
    await this.#journal.dropPrevious()
    return true
  }

  async #recover(): Promise<void> {
    const { dir, now, onError } = this.#options
    const { jobs, quarantined } = this.#folders.load(now())
    this.quarantined.push(...quarantined)
    const { entries, ignoredBytes } = replay(dir)
    const torn = `The journal ends in ${ignoredBytes} bytes that were never acknowledged: left out.`
    if (ignoredBytes > 0) onError(torn, null)
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
      this.#publish(job)
      if (this.#folders.statusOf(job.jobId) !== job.status) this.#changed.set(job.jobId, job)
    }
    this.#order.fill(jobs.values())
    if (this.#changed.size > 0 || ignoredBytes > 0) {
      await this.#folders.follow(this.#changed)
      await syncBelow(dir)
    }
    this.#journal = await Journal.start(dir)
  }

  #publish(job: Job): void {
    this.#forget(job.jobId)
    this.#jobs.set(job.jobId, job)
    this.#byStatus.get(job.status)!.add(job.jobId)
  }

  #forget(jobId: string): void {
    const old = this.#jobs.get(jobId)
    if (old !== undefined) this.#byStatus.get(old.status)!.delete(jobId)
  }

  #markChanged(jobId: string, job: Job | null): void {
    this.#changed.set(jobId, job)
    this.#followSoon()
  }

  #followSoon(): void {
    if (this.#closing === null)
      this.#timer ??= startTimer(() => void this.#tick(), FOLLOW_MS).unref()
  }

  async #tick(): Promise<void> {
    this.#timer = null
    try {
      if (this.#journal.bytes > this.#options.journalBytes) await this.checkpoint()
      else await this.#follow()
    } catch (error) {
      this.#options.onError('The journal could not be cut.', error)
    }
    if (this.#changed.size > 0) this.#followSoon()
  }

  /** One at a time; a failure is kept and tried again with the next round, the journal holding the truth. */
  async #follow(): Promise<void> {
    const { onError } = this.#options
    this.#following = this.#following.then(async () => {
      try {
        await this.#folders.follow(this.#changed)
        this.foldersBehind = null
      } catch (error) {
        if (this.foldersBehind === null) onError('The status folders cannot be written.', error)
        this.foldersBehind = diskReason(error)
      }
    })
    await this.#following
  }
}
