import { mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { pause } from '../../shared/timers.ts'
import { stagingOf } from './places.ts'
import { Others, tellOwner, type StagingPatience } from './staging-others.ts'

const LOOK_AGAIN_MS = 300
/** Without locks: a folder that is removed by others this often in a row. */
const MAX_GONE = 5

export interface Waiting {
  /** For sentences: `getting the model base`. */
  doing: string
  signal: AbortSignal
  onProgress?: ((text: string) => void) | undefined
  patience?: StagingPatience | undefined
}

/** The folder in which one process at a time puts a model together. The next process continues what it leaves there. */
export class Staging {
  readonly folder: string
  readonly ready: string
  readonly #lock: FolderLock | null

  private constructor(folder: string, lock: FolderLock | null) {
    this.folder = folder
    this.ready = path.join(folder, 'ready')
    this.#lock = lock
  }

  /**
   * Waits until no other process puts the same model together.
   * @throws {HeldElsewhere} after too long without progress; the signal's reason.
   */
  static async open(place: string, waiting: Waiting): Promise<Staging> {
    const { signal } = waiting
    const folder = stagingOf(place)
    const others = new Others(folder, waiting)
    for (let gone = 0; gone < MAX_GONE;) {
      signal.throwIfAborted()
      await mkdir(folder, { recursive: true })
      const lock = await lockOf(folder)
      if (lock === 'none') break
      if (lock === 'gone') gone++
      else if (lock !== 'taken') return await new Staging(folder, lock).#begin()
      else {
        await others.wait()
        await pause(LOOK_AGAIN_MS, signal)
      }
    }
    return await new Staging(folder, null).#begin()
  }

  async #begin(): Promise<this> {
    await mkdir(this.ready, { recursive: true })
    return this
  }

  async discard(): Promise<void> {
    for (const name of await readdir(this.folder)) {
      // Our lock, and those of waiting processes.
      if (name === 'lock' || name.startsWith('lock.')) continue
      await rm(path.join(this.folder, name), { recursive: true, force: true })
    }
  }

  /** Unlocks the folder, and removes it when it is empty. */
  async close(): Promise<void> {
    await rmdir(this.ready).catch(() => undefined)
    await this.#lock?.release()
    await rmdir(this.folder).catch(() => undefined)
  }
}

async function lockOf(folder: string): Promise<FolderLock | 'taken' | 'gone' | 'none'> {
  try {
    return (await lockFolder(folder, tellOwner)) ?? 'taken'
  } catch (error) {
    // Its owner removed it meanwhile. Listening in a missing folder fails with EACCES.
    if (isSystemError(error, 'ENOENT', 'EACCES')) return 'gone'
    // A file system without sockets: two processes would write the same bytes, and the digest shows if they did not.
    if (isSystemError(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) return 'none'
    throw error
  }
}
