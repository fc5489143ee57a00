import { AppError } from '../../shared/errors.ts'
import { SECOND } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job } from '../job/job.ts'
import type { JobFolders } from './folders.ts'
import { diskReason } from './journal-segment.ts'
import type { Journal } from './journal.ts'
import { syncBelow } from './sync.ts'

export interface FollowerOptions {
  dir: string
  folders: JobFolders
  journal: Journal
  /** The journal is cut beyond this length. */
  journalBytes: number
  onError: (message: string, error: unknown) => void
  /** A monotonic clock, in milliseconds. */
  steady: () => number
  isOurs: () => boolean
}

/** The folders follow within this time. */
const FOLLOW_MS = 500
/** A sync may take longer; then the next start replays the journal. */
const SYNC_PATIENCE_MS = 30_000
/** A longer lag is reported. */
const LATE_MS = 30_000

/** Brings the status folders up to date, and cuts the journal. */
export class Follower {
  readonly #options: FollowerOptions
  readonly #changed = new Map<string, Job | null>()
  #timer: NodeJS.Timeout | null = null
  #isTicking = false
  #isStopped = false
  #following: Promise<void> = Promise.resolve()
  #checkpointing: Promise<void> = Promise.resolve()
  /** Why the folders cannot be written, or null. */
  #folderFault: string | null = null
  /** Why the journal cannot be cut, or null. */
  #cutFault: string | null = null
  /** The folders hold all changes until then. */
  #followedAt = 0
  #cutAt = 0

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Why the folders lag, or null; without paths: `/health` shows it to anonymous clients. */
  get behind(): string | null {
    const { lagMs } = this
    if (this.#fault !== null) return this.#fault
    if (lagMs < LATE_MS) return null
    return `The status folders lag ${Math.round(lagMs / SECOND)} s behind: the disk is slower than the changes come.`
  }

  /** The age of the oldest change that the folders, or a cut journal, still wait for. */
  get lagMs(): number {
    const now = this.#options.steady()
    return Math.max(
      this.#changed.size > 0 ? now - this.#followedAt : 0,
      this.#options.journal.hasPrevious ? now - this.#cutAt : 0,
    )
  }

  /** Notes a changed job, or a removed one (null). */
  mark(jobId: string, job: Job | null): void {
    if (this.#changed.size === 0) this.#followedAt = this.#options.steady()
    this.#changed.set(jobId, job)
    this.followSoon()
  }

  /** Schedules a round: at once when the journal is due for a cut, unless the last one failed. */
  followSoon(): void {
    if (this.#isStopped || this.#isTicking) return
    const { journal } = this.#options
    const isDue = this.#isCutDue() && this.#fault === null
    if (this.#timer === null || isDue) {
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#timer = startTimer(() => void this.#tick(), isDue ? 0 : FOLLOW_MS)
    }
    // Only a change that waits for room keeps the process alive.
    if (journal.isFull) this.#timer.ref()
    else this.#timer.unref()
  }

  /** Brings the folders up to date and empties the journal. */
  async checkpoint(): Promise<void> {
    const { journal, steady } = this.#options
    const done = this.#checkpointing.then(async () => {
      // The segment of an earlier, incomplete cut comes first.
      if (journal.hasPrevious && !(await this.#settle())) return
      await journal.cut()
      this.#cutAt = steady()
      await this.#settle()
      this.#cutFault = null
    })
    this.#checkpointing = done.catch(() => undefined)
    await done
  }

  /** Stops writing: the lock is lost. */
  abandon(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#changed.clear()
  }

  /** Empties the journal if possible, and stops. */
  async close(): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    try {
      const { journal, isOurs } = this.#options
      if (journal.failure === null && isOurs()) await this.checkpoint()
    } finally {
      await Promise.all([this.#checkpointing, this.#following])
    }
  }

  /** Syncs the folders and drops the previous segment; false if that fails. */
  async #settle(): Promise<boolean> {
    if (!(await this.#follow())) return false
    const { dir, journal, isOurs } = this.#options
    await syncBelow(dir, SYNC_PATIENCE_MS)
    if (!isOurs()) return false
    await journal.dropPrevious()
    return true
  }

  get #fault(): string | null {
    return this.#folderFault ?? this.#cutFault
  }

  #isCutDue(): boolean {
    const { journal, journalBytes } = this.#options
    return journal.bytes > journalBytes || journal.isFull
  }

  async #tick(): Promise<void> {
    const { journal, onError, isOurs } = this.#options
    this.#timer = null
    // A chore notices a lost lock too, and stops the coordinator.
    if (!isOurs()) return
    this.#isTicking = true
    try {
      // First: shortens the cut.
      await this.#follow()
      if (this.#isCutDue() || journal.hasPrevious) await this.checkpoint()
    } catch (error) {
      const fault = diskReason(error)
      if (this.#cutFault !== fault) onError('The journal cannot be emptied.', error)
      this.#cutFault = fault
    }
    this.#isTicking = false
    if (this.#fault !== null) journal.refuseWaiting(tooLong(this.#fault))
    if (this.#changed.size > 0 || journal.isFull || journal.hasPrevious) this.followSoon()
  }

  /** One round at a time; false when a file failed: the next round repeats it. */
  async #follow(): Promise<boolean> {
    const { folders, steady, onError } = this.#options
    this.#following = this.#following.then(async () => {
      const beganAt = steady()
      try {
        await folders.follow(this.#changed)
        this.#followedAt = beganAt
        this.#folderFault = null
      } catch (error) {
        const fault = diskReason(error)
        if (this.#folderFault !== fault) onError('The status folders cannot be written.', error)
        this.#folderFault = fault
      }
    })
    await this.#following
    return this.#folderFault === null
  }
}

function tooLong(fault: string): AppError {
  const message = `The journal is as long as it may be and cannot be emptied (${fault}): free or mend the disk.`
  return new AppError('unavailable', message)
}
