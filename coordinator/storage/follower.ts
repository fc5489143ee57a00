import { AppError } from '../../shared/errors.ts'
import { SECOND } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Job } from '../job/job.ts'
import { diskReason } from './disk-reason.ts'
import type { JobFolders } from './folders.ts'
import type { Journal } from './journal.ts'
import { syncBelow } from './sync.ts'

export interface FollowerOptions {
  dir: string
  folders: JobFolders
  journal: Journal
  /** The journal is cut when it is longer than this. */
  journalBytes: number
  onError: (message: string, error: unknown) => void
  /** Milliseconds that only ever pass. */
  steady: () => number
  /** Whether the folder is still ours. */
  isOurs: () => boolean
}

/** Folders follow within this time. */
const FOLLOW_MS = 500
/** A slow sync holds up nobody for longer: the journal that it was to empty is replayed at the next start. */
const SYNC_PATIENCE_MS = 30_000
/** Folders that are behind for longer are worth a word. */
const LATE_MS = 30_000

/** Brings the status folders up to date with the jobs, and empties the journal of what they hold. */
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
  /** Why the journal cannot be emptied although they can, or null. */
  #cutFault: string | null = null
  /** All changes until then are in the folders. */
  #followedAt = 0
  /** When the journal was last cut. */
  #cutAt = 0

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  /** Why the folders are behind, or null; without a path, as strangers read it. */
  get behind(): string | null {
    const { lagMs } = this
    if (this.#fault !== null) return this.#fault
    if (lagMs < LATE_MS) return null
    return `The status folders lag ${Math.round(lagMs / SECOND)} s behind: the disk is slower than the changes come.`
  }

  /** How long ago the folders, or the journal, were last brought up to date, where they are not. */
  get lagMs(): number {
    const now = this.#options.steady()
    return Math.max(
      this.#changed.size > 0 ? now - this.#followedAt : 0,
      this.#options.journal.aside ? now - this.#cutAt : 0,
    )
  }

  /** A job has changed, or is gone (null). */
  mark(jobId: string, job: Job | null): void {
    if (this.#changed.size === 0) this.#followedAt = this.#options.steady()
    this.#changed.set(jobId, job)
    this.followSoon()
  }

  /** At once where the journal is long enough to be cut, unless that has just failed. */
  followSoon(): void {
    if (this.#isStopped || this.#isTicking) return
    const { journal } = this.#options
    const isDue = this.#isCutDue() && this.#fault === null
    if (this.#timer === null || isDue) {
      if (this.#timer !== null) clearTimeout(this.#timer)
      this.#timer = startTimer(() => void this.#tick(), isDue ? 0 : FOLLOW_MS)
    }
    // Only a change that waits for room holds the process.
    if (journal.isFull) this.#timer.ref()
    else this.#timer.unref()
  }

  /** Brings the folders up to date and empties the journal; then they are all there is. One at a time. */
  async checkpoint(): Promise<void> {
    const { journal, steady } = this.#options
    const done = this.#checkpointing.then(async () => {
      // What an earlier round put aside and could not bring to the folders comes first.
      if (journal.aside && !(await this.#settle())) return
      await journal.cut()
      this.#cutAt = steady()
      await this.#settle()
      this.#cutFault = null
    })
    this.#checkpointing = done.catch(() => undefined)
    await done
  }

  /** Writes nothing more: the folder is another's. */
  abandon(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#changed.clear()
  }

  /** Empties the journal where that can be and the folder is still ours, and follows no more. */
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

  /** Makes the folders hold what the journal has put aside, and drops that; false when they cannot. */
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
    // Whoever looks after the hold on the folder sees it, too, and stops us.
    if (!isOurs()) return
    this.#isTicking = true
    try {
      // First: what is cut off next is in the folders soon.
      await this.#follow()
      if (this.#isCutDue() || journal.aside) await this.checkpoint()
    } catch (error) {
      const fault = diskReason(error)
      if (this.#cutFault !== fault) onError('The journal cannot be emptied.', error)
      this.#cutFault = fault
    }
    this.#isTicking = false
    if (this.#fault !== null) journal.refuseWaiting(tooLong(this.#fault))
    if (this.#changed.size > 0 || journal.isFull || journal.aside) this.followSoon()
  }

  /** One at a time; false when a file failed. It is tried again with the next round, the journal holding the truth. */
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
