import { existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { diskReason } from './disk-reason.ts'
import { decode, encode, type JournalEntry } from './journal-line.ts'
import { Segment } from './journal-segment.ts'
import { syncDirectory } from './sync.ts'

/** A line to write, or null: a cut. */
interface Step {
  line: string | null
  resolve: () => void
  reject: (error: unknown) => void
}

const CURRENT = 'journal.ndjson'
/** The segment that a cut has put aside, until the folders hold all that it says. */
const PREVIOUS = 'journal.previous.ndjson'
/** What a cut goes on in, before that has the name. */
const NEXT = 'journal.next.ndjson'

/**
 * The redo log. `append` resolves when the line is on the disk; appends that arrive during a sync share the next one
 * (group commit). After a failed write or sync nobody can say what is on the disk, so it takes nothing more; a disk that
 * is full is no such failure, and what it has no room for is refused alone.
 */
export class Journal {
  readonly #dir: string
  #segment: Segment
  #waiting: Step[] = []
  #running: Promise<void> | null = null
  #failure: AppError | null = null
  #aside = false

  private constructor(dir: string, segment: Segment) {
    this.#dir = dir
    this.#segment = segment
  }

  /** Starts an empty log; whatever stood in the old one must be in the folders, synced. */
  static async start(dir: string): Promise<Journal> {
    // The older segment goes first: alone it would set back what the newer one says.
    await rm(path.join(dir, PREVIOUS), { force: true })
    await syncDirectory(dir)
    const segment = await Segment.create(path.join(dir, CURRENT))
    await syncDirectory(dir)
    return new Journal(dir, segment)
  }

  /** Since the last cut. */
  get bytes(): number {
    return this.#segment.bytes
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
    await this.#take(encode(entry))
  }

  /**
   * Puts the log so far aside and goes on in an empty one. Call {@link dropPrevious} when the folders are synced; until
   * then another cut does nothing, since it would write over what is aside.
   */
  async cut(): Promise<void> {
    await this.#take(null)
  }

  async dropPrevious(): Promise<void> {
    await rm(path.join(this.#dir, PREVIOUS), { force: true })
    this.#aside = false
  }

  async close(): Promise<void> {
    while (this.#running !== null) await this.#running
    await this.#segment.close()
  }

  async #take(line: string | null): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const done = new Promise<void>((resolve, reject) =>
      this.#waiting.push({ line, resolve, reject }),
    )
    this.#running ??= this.#run()
    await done
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      try {
        if (this.#failure !== null) throw this.#failure
        const appends = batch.filter(({ line }) => line !== null)
        await this.#segment.append(appends.map(({ line }) => line).join(''))
        // Before the cut: whoever waits for it finds that all it puts aside has been acknowledged.
        for (const { resolve } of appends) resolve()
        if (appends.length < batch.length && !this.#aside) await this.#cutNow()
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const isRefused = error instanceof AppError && error.code === 'no_space'
        const reason = isRefused ? error : (this.#failure ??= brokenLog(error))
        for (const { reject } of batch) reject(reason)
      }
    }
    this.#running = null
  }

  async #cutNow(): Promise<void> {
    // Made first: where there is no room for it, all stays as it is.
    const next = await Segment.create(path.join(this.#dir, NEXT))
    try {
      await rename(path.join(this.#dir, CURRENT), path.join(this.#dir, PREVIOUS))
      this.#aside = true
      // On the disk in this order, too: an empty log must not take the place of the one that counts.
      await syncDirectory(this.#dir)
      await rename(path.join(this.#dir, NEXT), path.join(this.#dir, CURRENT))
      await syncDirectory(this.#dir)
    } catch (error) {
      await next.close()
      throw error
    }
    await this.#segment.close()
    this.#segment = next
  }
}

/** What a log left behind: its entries up to the first line that is not whole, and how many bytes come after. */
export function replay(dir: string): { entries: JournalEntry[]; ignoredBytes: number } {
  const entries: JournalEntry[] = []
  let ignoredBytes = 0
  for (const name of [PREVIOUS, CURRENT]) {
    const file = path.join(dir, name)
    if (!existsSync(file)) continue
    const bytes = readFileSync(file)
    // What follows a bad line was never acknowledged: a line is acknowledged only with all before it.
    let from = 0
    while (ignoredBytes === 0 && from < bytes.length) {
      const newline = bytes.indexOf(10, from)
      const entry = newline === -1 ? null : decode(bytes.toString('utf8', from, newline))
      if (entry === null) break
      entries.push(entry)
      from = newline + 1
    }
    ignoredBytes += bytes.length - from
  }
  return { entries, ignoredBytes }
}

function brokenLog(cause: unknown): AppError {
  const message = `The journal cannot be written (${diskReason(cause)}): free or mend the disk, then restart the coordinator.`
  return new AppError('unavailable', message, { cause })
}
