import { open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { diskReason } from './disk-reason.ts'
import { clearLog, CURRENT, NEXT, PREVIOUS } from './journal-files.ts'
import { encode, type JournalEntry } from './journal-line.ts'
import { Segment } from './journal-segment.ts'
import { syncDirectory } from './sync.ts'

interface Waiting {
  resolve: () => void
  reject: (error: unknown) => void
}

interface Line extends Waiting {
  bytes: Buffer
}

export interface JournalOptions {
  /** How long it may become, with what a cut has put aside. Lines beyond that wait for a cut. */
  mostBytes?: number
  /** Told when lines begin to wait for room. */
  onFull?: () => void
}

/**
 * The redo log. `append` resolves when the line is on the disk; appends that arrive during a sync share the next one
 * (group commit). After a failed write or sync nobody can say what is on the disk, so it takes nothing more; a disk that
 * is full is no such failure, and what it has no room for is refused alone.
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
  #asideBytes = 0
  #aside = false

  private constructor(dir: string, segment: Segment, options: JournalOptions) {
    this.#dir = dir
    this.#segment = segment
    this.#mostBytes = options.mostBytes ?? Infinity
    this.#onFull = options.onFull ?? (() => undefined)
  }

  /** Starts an empty log; whatever stood in the old one must be in the folders, synced. */
  static async start(dir: string, options: JournalOptions = {}): Promise<Journal> {
    await clearLog(dir)
    const segment = await Segment.create(path.join(dir, CURRENT))
    await syncDirectory(dir)
    return new Journal(dir, segment, options)
  }

  /** Since the last cut. */
  get bytes(): number {
    return this.#segment.bytes
  }

  /** With what is aside. */
  get totalBytes(): number {
    return this.#segment.bytes + this.#asideBytes
  }

  /** Whether lines wait for room. */
  get isFull(): boolean {
    return this.#running === null && this.#lines.length > 0
  }

  /** Why it takes nothing more, or null. */
  get failure(): AppError | null {
    return this.#failure
  }

  /** Whether what a cut put aside is still there. */
  get aside(): boolean {
    return this.#aside
  }

  /** @throws {AppError} `no_space` when it has no room, and is nowhere; `unavailable` once a write or a sync has failed. */
  async append(entry: JournalEntry): Promise<void> {
    const bytes = Buffer.from(encode(entry))
    await this.#take((waiting) => this.#lines.push({ bytes, ...waiting }))
  }

  /**
   * Puts the log so far aside and goes on in an empty one. Call {@link dropPrevious} when the folders are synced; until
   * then another cut does nothing, since it would write over what is aside.
   * @throws what kept it from beginning: then all is as before, and it may be tried again; `unavailable` as for `append`.
   */
  async cut(): Promise<void> {
    await this.#take((waiting) => this.#cuts.push(waiting))
  }

  /** Not synced: were the segment back after a crash, the newer one would be replayed over it. */
  async dropPrevious(): Promise<void> {
    await rm(path.join(this.#dir, PREVIOUS), { force: true })
    this.#aside = false
    this.#asideBytes = 0
    this.#goOn()
  }

  /** Refuses the lines that wait for room, where none is to be expected soon. */
  refuseWaiting(reason: AppError): void {
    if (this.isFull) for (const { reject } of this.#lines.splice(0)) reject(reason)
  }

  /** Takes nothing more, for a reason that is not the disk's. */
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
    // Never over before it is known to run; and what is asked for in the same turn shares the first sync.
    await Promise.resolve()
    for (;;) {
      const lines = this.#fitting()
      const cuts = this.#cuts.splice(0)
      if (lines.length + cuts.length === 0) break
      await settle(lines, async () => {
        await this.#append(Buffer.concat(lines.map(({ bytes }) => bytes)))
      })
      // After the lines: whoever waits for it finds that all it puts aside has been acknowledged.
      await settle(cuts, async () => {
        if (cuts.length > 0 && !this.#aside) await this.#cutNow()
      })
    }
    this.#running = null
    if (this.isFull) this.#onFull()
  }

  /** Takes from the lines what there is room for; a line that is longer than the whole log may be has it to itself. */
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
      // Before anybody is told: what is in a file without this name is nowhere.
      if (bytes.length > 0) await this.#checkName()
    } catch (error) {
      const isRefused = error instanceof AppError && error.code === 'no_space'
      throw isRefused ? error : (this.#failure ??= brokenLog(error))
    }
  }

  async #checkName(): Promise<void> {
    if (await this.#segment.isAt(path.join(this.#dir, CURRENT))) return
    throw (this.#failure = takenAway())
  }

  async #cutNow(): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    await this.#checkName()
    // Opened and made first: where that fails all stays as it is.
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
        // On the disk in this order, too: an empty log must not take the place of the one that counts.
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
    this.#aside = true
    this.#asideBytes = before.bytes
    this.#segment = next
    // All that it holds is synced.
    await before.close().catch(() => undefined)
  }
}

/** Does it for those who wait, and tells them all what became of it. */
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
    'The journal has been taken away or replaced: look for another coordinator on the data folder, then restart this one.'
  return new AppError('unavailable', message)
}

function brokenLog(cause: unknown): AppError {
  const message = `The journal cannot be written (${diskReason(cause)}): free or mend the disk, then restart the coordinator.`
  return new AppError('unavailable', message, { cause })
}
