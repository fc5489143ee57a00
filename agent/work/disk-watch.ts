import { SECOND } from '../../shared/duration.ts'
import { waitFor } from '../../shared/timers.ts'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { freeBytesOf, RESERVE_BYTES, writeProbe, type FreeBytes } from '../free-space.ts'

const EVERY_MS = 3 * SECOND
const MIB = 1024 * 1024

interface WatchedFolder {
  folder: string
  flag: string
  isUsed?: () => Promise<boolean>
}

export interface DiskWatchOptions {
  folders: readonly WatchedFolder[]
  /** Called when the room has run out (a sentence), and when there is some again (null). */
  onChange: (problem: string | null) => void
  freeBytes?: FreeBytes
  write?: (folder: string) => Promise<void>
  /** Ends early, without an error, when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Checks every few seconds whether there is disk space for downloads, decoded audio, results and missing models. */
export class DiskWatch {
  readonly #options: DiskWatchOptions
  readonly #closed = new AbortController()
  #problem: string | null = null
  #loop: Promise<void> = Promise.resolve()

  constructor(options: DiskWatchOptions) {
    this.#options = options
  }

  /** Why no job can be taken, with the fix; null while there is room. */
  get problem(): string | null {
    return this.#problem
  }

  /** Resolves after the first check; more follow until it is closed. */
  async start(): Promise<void> {
    await this.#check()
    this.#loop = this.#run()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { wait = waitFor } = this.#options
    const { signal } = this.#closed
    for (;;) {
      await wait(EVERY_MS, signal)
      if (signal.aborted) return
      await this.#check()
    }
  }

  async #check(): Promise<void> {
    const { folders, onChange } = this.#options
    const found = await Promise.all(folders.map((folder) => problemOf(folder, this.#options)))
    const problem = found.find((one) => one !== null) ?? null
    const hasChanged = (problem === null) !== (this.#problem === null)
    this.#problem = problem
    if (hasChanged) onChange(problem)
  }
}

async function problemOf(
  { folder, flag, isUsed }: WatchedFolder,
  { freeBytes = freeBytesOf, write = writeProbe }: DiskWatchOptions,
): Promise<string | null> {
  if (isUsed !== undefined && !(await isUsed())) return null
  const fix = `make room, or choose another ${flag}`
  // A missing folder is made again by the job that needs it, or that job's failure says why not.
  const free = await freeBytes(folder).catch(() => Infinity)
  if (free < RESERVE_BYTES) {
    const have = `${Math.floor(free / MIB)} MiB`
    return `Only ${have} are free in ${folder}, and jobs need ${RESERVE_BYTES / MIB} MiB: ${fix}.`
  }
  try {
    await write(folder)
    return null
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    const why = isSystemError(error, 'EDQUOT')
      ? 'disk quota exceeded'
      : isSystemError(error, 'ENOSPC')
        ? 'its disk may have no free inodes'
        : messageOf(error)
    return `Cannot write into ${folder} (${why}): ${fix}.`
  }
}
