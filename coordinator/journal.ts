import { existsSync, readFileSync } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { AppError, messageOf } from '../shared/errors.ts'

/** One line of the redo log: the whole job after a change, or the id of one that is gone. */
export type JournalEntry = { put: unknown } | { remove: string }

interface Append {
  line: string
  resolve: () => void
  reject: (error: unknown) => void
}

const CURRENT = 'journal.ndjson'
/** The segment that a cut has put aside, until the folders hold all that it says. */
const PREVIOUS = 'journal.previous.ndjson'

/**
 * The redo log. `append` resolves when the line is on the disk; appends that arrive during a sync share the next one
 * (group commit). After a failed write or sync nobody can say what is on the disk, so it takes nothing more.
 */
export class Journal {
  readonly #dir: string
  #handle: FileHandle
  #waiting: Append[] = []
  #running: Promise<void> | null = null
  #failure: AppError | null = null
  #bytes = 0

  private constructor(dir: string, handle: FileHandle) {
    this.#dir = dir
    this.#handle = handle
  }

  /** Starts an empty log; whatever stood in the old one must be in the folders, synced. */
  static async start(dir: string): Promise<Journal> {
    const handle = await open(path.join(dir, CURRENT), 'w')
    await syncDirectory(dir)
    await rm(path.join(dir, PREVIOUS), { force: true })
    return new Journal(dir, handle)
  }

  /** Since the last cut. */
  get bytes(): number {
    return this.#bytes
  }

  /** Why it takes nothing more, or null. */
  get failure(): AppError | null {
    return this.#failure
  }

  /** @throws {AppError} `unavailable` once a write or a sync has failed. */
  async append(entry: JournalEntry): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const line = encode(entry)
    const done = new Promise<void>((resolve, reject) =>
      this.#waiting.push({ line, resolve, reject }),
    )
    this.#running ??= this.#run()
    await done
  }

  /** Puts the log so far aside and goes on in an empty one. Call {@link dropPrevious} when the folders are synced. */
  async cut(): Promise<void> {
    while (this.#running !== null) await this.#running
    if (this.#failure !== null) throw this.#failure
    this.#running = this.#cutNow().finally(() => (this.#running = null))
    await this.#running
    if (this.#waiting.length > 0) this.#running ??= this.#run()
  }

  async dropPrevious(): Promise<void> {
    await rm(path.join(this.#dir, PREVIOUS), { force: true })
  }

  async close(): Promise<void> {
    while (this.#running !== null) await this.#running
    await this.#handle.close()
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      try {
        if (this.#failure !== null) throw this.#failure
        const bytes = Buffer.from(batch.map(({ line }) => line).join(''))
        await this.#handle.appendFile(bytes)
        await this.#handle.datasync()
        this.#bytes += bytes.length
        for (const { resolve } of batch) resolve()
      } catch (error) {
        this.#failure ??= brokenLog(error)
        for (const { reject } of batch) reject(this.#failure)
      }
    }
    this.#running = null
  }

  async #cutNow(): Promise<void> {
    try {
      await rename(path.join(this.#dir, CURRENT), path.join(this.#dir, PREVIOUS))
      const next = await open(path.join(this.#dir, CURRENT), 'wx')
      await syncDirectory(this.#dir)
      await this.#handle.close()
      this.#handle = next
      this.#bytes = 0
    } catch (error) {
      this.#failure = brokenLog(error)
      throw this.#failure
    }
  }
}

/** What a log left behind: its entries up to the first line that is not whole, and how many bytes come after. */
export function replay(dir: string): { entries: JournalEntry[]; ignoredBytes: number } {
  const entries: JournalEntry[] = []
  for (const name of [PREVIOUS, CURRENT]) {
    const file = path.join(dir, name)
    if (!existsSync(file)) continue
    const bytes = readFileSync(file)
    let from = 0
    while (from < bytes.length) {
      const newline = bytes.indexOf(10, from)
      const entry = newline === -1 ? null : decode(bytes.toString('utf8', from, newline))
      // What follows a bad line was never acknowledged: a line is acknowledged only with all before it.
      if (entry === null) return { entries, ignoredBytes: bytes.length - from }
      entries.push(entry)
      from = newline + 1
    }
  }
  return { entries, ignoredBytes: 0 }
}

/** A line is one JSON object whose first key is the CRC-32 of the rest. */
export function encode(entry: JournalEntry): string {
  const body = JSON.stringify(entry)
  return `{"crc":"${checksum(body)}",${body.slice(1)}\n`
}

export function decode(line: string): JournalEntry | null {
  const head = /^\{"crc":"([0-9a-f]{8})",/.exec(line)
  if (head === null) return null
  const body = `{${line.slice(head[0].length)}`
  if (checksum(body) !== head[1]) return null
  return JSON.parse(body) as JournalEntry
}

/** Makes the names in a folder durable. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

function brokenLog(cause: unknown): AppError {
  const message = `The journal cannot be written (${messageOf(cause)}): free or mend the disk, then restart the coordinator.`
  return new AppError('unavailable', message, { cause })
}
