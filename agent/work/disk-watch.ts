import { SECOND } from '../../shared/duration.ts'
import { delay } from '../../shared/timers.ts'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { freeBytesOf, RESERVE_BYTES, writeProbe, type FreeBytes } from '../free-space.ts'

const EVERY_MS = 3 * SECOND
const MIB = 1024 * 1024

/** A folder that jobs write into. */
interface WatchedFolder {
  folder: string
  /** The setting that chooses it. */
  flag: string
  /** Whether jobs write into it now; default: they do. */
  isUsed?: () => Promise<boolean>
}

export interface DiskWatchOptions {
  /** The first one without room is named. */
  folders: readonly WatchedFolder[]
  /** Called when room has run out, and when there is some again. */
  onChange: (problem: string | null) => void
  freeBytes?: FreeBytes
  /** Writes something into a folder, and removes it. */
  write?: (folder: string) => Promise<void>
  /** Ends early, without an error, when the signal is aborted. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Looks every few seconds whether jobs would find room on the disk: for what is downloaded, for decoded sound, for
 * results, for models that are not there.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions
  readonly #closed = new AbortController()
  #problem: string | null = null
  #loop: Promise<void> = Promise.resolve()

  constructor(options: DiskWatchOptions) {
    this.#options = options
  }

  /** Why no job can be taken, as a sentence with the fix; null while there is room. */
  get problem(): string | null {
    return this.#problem
  }

  /** Resolves after the first look; more follow until it is closed. */
  async start(): Promise<void> {
    await this.#look()
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
      await this.#look()
    }
  }

  async #look(): Promise<void> {
    const { folders, onChange } = this.#options
    const found = await Promise.all(folders.map((folder) => problemOf(folder, this.#options)))
    const problem = found.find((one) => one !== null) ?? null
    const isNews = (problem === null) !== (this.#problem === null)
    this.#problem = problem
    if (isNews) onChange(problem)
  }
}

async function problemOf(
  { folder, flag, isUsed }: WatchedFolder,
  { freeBytes = freeBytesOf, write = writeProbe }: DiskWatchOptions,
): Promise<string | null> {
  if (isUsed !== undefined && !(await isUsed())) return null
  const fix = `make room, or choose another ${flag}`
  // A folder that is gone is made again by the job that needs it, or its failure says why not.
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
      ? 'the quota is used up'
      : isSystemError(error, 'ENOSPC')
        ? 'there may be no more files (inodes) on its disk'
        : messageOf(error)
    return `Nothing can be written into ${folder} (${why}): ${fix}.`
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch(() => undefined)
}
