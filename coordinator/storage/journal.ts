import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { clearLog, CURRENT, encode, NEXT, PREVIOUS, type JournalEntry } from './journal-files.ts'
import { diskReason, Segment } from './journal-segment.ts'
import { sync } from '../../shared/replace-file.ts'

interface Waiting {
  resolve: () => void
  reject: (error: unknown) => void
}

interface Line extends Waiting {
  bytes: Buffer
}

export interface JournalOptions {
  /** Maximum length, with the previous segment. Lines beyond it wait for a cut. */
  mostBytes?: number
  /** Called when lines begin to wait. */
  onFull?: () => void
}

/**
 * The redo log. `append` resolves when the line is on disk; appends during a sync share the next one (group commit).
 * After a failed write or sync the content is unknown, so it takes nothing more; on a full disk only the lines without
 * room are refused.
 */
export class Journal {
  readonly #dir: string
  readonly #mostBytes: number
  readonly #onFull: () => void
  #segment: Segment
  #lines: Line[] = []
  #cuts: Waiting[] = []
  #running: Promise<void> | null = null
  #failure: AppError | null = null
  #previousBytes = 0
  #hasPrevious = false

  private constructor(dir: string, segment: Segment, options: JournalOptions) {
    this.#dir = dir
    this.#segment = segment
    this.#mostBytes = options.mostBytes ?? Infinity
    this.#onFull = options.onFull ?? (() => undefined)
  }

  /** Starts an empty log; the folders must hold the old one, synced. */
  static async start(dir: string, options: JournalOptions = {}): Promise<Journal> {
    await clearLog(dir)
    const segment = await Segment.create(path.join(dir, CURRENT))
    await sync(dir)
    return new Journal(dir, segment, options)
  }

  get bytes(): number {
    return this.#segment.bytes
  }

  /** With the previous segment. */
  get totalBytes(): number {
    return this.#segment.bytes + this.#previousBytes
  }

  /** Whether lines wait for room. */
  get isFull(): boolean {
    return this.#running === null && this.#lines.length > 0
  }

  /** Why it takes nothing more, or null. */
  get failure(): AppError | null {
    return this.#failure
  }

  /** Whether the segment before the last cut still exists. */
  get hasPrevious(): boolean {
    return this.#hasPrevious
  }

  /** @throws {AppError} `no_space`; `unavailable` after a failed write or sync. */
  async append(entry: JournalEntry): Promise<void> {
    const bytes = Buffer.from(encode(entry))
    await this.#take((waiting) => this.#lines.push({ bytes, ...waiting }))
  }

  /**
   * Renames the segment and continues in an empty one. Call {@link dropPrevious} when the folders are synced; until then
   * another cut does nothing.
   * @throws what kept it from starting, without effect; `unavailable` as for `append`.
   */
  async cut(): Promise<void> {
    await this.#take((waiting) => this.#cuts.push(waiting))
  }

  /** Not synced: a segment that reappears after a crash is replayed before the newer one. */
  async dropPrevious(): Promise<void> {
    await rm(path.join(this.#dir, PREVIOUS), { force: true })
    this.#hasPrevious = false
    this.#previousBytes = 0
    this.#goOn()
  }

  /** Refuses the lines that wait for room. */
  refuseWaiting(reason: AppError): void {
    if (this.isFull) for (const { reject } of this.#lines.splice(0)) reject(reason)
  }

  /** Takes nothing more. */
  fail(reason: AppError): void {
    this.#failure ??= reason
    this.#goOn()
  }

  async close(): Promise<void> {
    while (this.#running !== null) await this.#running
    this.refuseWaiting(new AppError('unavailable', 'The coordinator stops.'))
    await this.#segment.close()
  }

  async #take(enter: (waiting: Waiting) => void): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const done = new Promise<void>((resolve, reject) => enter({ resolve, reject }))
    this.#goOn()
    await done
  }

  #goOn(): void {
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    // Calls of the same turn of the event loop share the first sync.
    await nextTurn()
    for (;;) {
      const lines = this.#fitting()
      const cuts = this.#cuts.splice(0)
      if (lines.length + cuts.length === 0) break
      await settle(lines, async () => {
        await this.#append(Buffer.concat(lines.map(({ bytes }) => bytes)))
      })
      // After the lines: all that a cut renames is acknowledged.
      await settle(cuts, async () => {
        if (cuts.length > 0 && !this.#hasPrevious) await this.#cutNow()
      })
    }
    this.#running = null
    if (this.isFull) this.#onFull()
  }

  /** Takes the lines that fit; a line longer than the limit fits an empty log. */
  #fitting(): Line[] {
    let bytes = this.totalBytes
    let count = 0
    for (const line of this.#lines) {
      const isOver = bytes + line.bytes.length > this.#mostBytes && bytes > 0
      if (isOver && this.#failure === null) break
      bytes += line.bytes.length
      count += 1
    }
    return this.#lines.splice(0, count)
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    try {
      await this.#segment.append(bytes)
      // Before the acknowledgement: a segment that was renamed by another process is lost.
      if (bytes.length > 0) this.#checkName()
    } catch (error) {
      const isRefused = error instanceof AppError && error.code === 'no_space'
      throw isRefused ? error : (this.#failure ??= brokenLog(error))
    }
  }

  #checkName(): void {
    if (this.#segment.isAt(path.join(this.#dir, CURRENT))) return
    throw (this.#failure = takenAway())
  }

  async #cutNow(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    this.#checkName()
    // First, so that a failure here has no effect.
    const directory = await open(this.#dir, 'r')
    try {
      const next = await Segment.create(path.join(this.#dir, NEXT))
      try {
        await rename(path.join(this.#dir, CURRENT), path.join(this.#dir, PREVIOUS))
      } catch (error) {
        await next.close()
        throw error
      }
      try {
        // In this order: an empty log must not replace the one that counts.
        await directory.sync()
        await rename(path.join(this.#dir, NEXT), path.join(this.#dir, CURRENT))
        await directory.sync()
      } catch (error) {
        await next.close()
        throw (this.#failure = brokenLog(error))
      }
      await this.#goOnIn(next)
    } finally {
      await directory.close()
    }
  }

  async #goOnIn(next: Segment): Promise<void> {
    const before = this.#segment
    this.#hasPrevious = true
    this.#previousBytes = before.bytes
    this.#segment = next
    await before.close().catch(() => undefined)
  }
}

/** Settles the waiting calls with the outcome of `work`. */
async function settle(waiting: readonly Waiting[], work: () => Promise<void>): Promise<void> {
  try {
    await work()
    for (const { resolve } of waiting) resolve()
  } catch (error) {
    for (const { reject } of waiting) reject(error)
  }
}

function takenAway(): AppError {
  const message =
    'The journal was removed or replaced: look for another coordinator on the data folder, then restart this one.'
  return new AppError('unavailable', message)
}

function brokenLog(cause: unknown): AppError {
  const message = `The journal cannot be written (${diskReason(cause)}): free or mend the disk, then restart the coordinator.`
  return new AppError('unavailable', message, { cause })
}
