import { mkdir, readdir, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { pause } from '../client/retry.ts'
import { stagingOf } from './places.ts'
import { Others, tellOwner, type StagingPatience } from './staging-others.ts'

const LOOK_AGAIN_MS = 300
/** So often in a row a folder does not go away between two looks: there are no locks here. */
const MAX_GONE = 5

/** How others are waited for who put the same model together. */
export interface Waiting {
  /** What they do, for sentences: `getting the model base`. */
  doing: string
  signal: AbortSignal
  /** A line for people. */
  onProgress?: ((text: string) => void) | undefined
  patience?: StagingPatience | undefined
}

/** The folder in which one process at a time puts a model together. What it leaves there the next one goes on with. */
export class Staging {
  readonly folder: string
  /** Files that are whole and right. */
  readonly ready: string
  readonly #lock: FolderLock | null

  private constructor(folder: string, lock: FolderLock | null) {
    this.folder = folder
    this.ready = path.join(folder, 'ready')
    this.#lock = lock
  }

  /**
   * Waits until nobody else puts the same model together.
   * @throws {HeldElsewhere} when nothing has come for longer than we wait; the signal's reason.
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

  /** Nothing in it is wanted any more. */
  async discard(): Promise<void> {
    for (const name of await readdir(this.folder)) {
      // Ours, and those of others who knock.
      if (name === 'lock' || name.startsWith('lock.')) continue
      await rm(path.join(this.folder, name), { recursive: true, force: true })
    }
  }

  /** Lets the next one in. Nothing remains of a folder without anything to go on with. */
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
    // Its owner was done and removed it while we came. Listening in a folder that is gone fails with EACCES.
    if (isSystemError(error, 'ENOENT', 'EACCES')) return 'gone'
    // A file system without sockets: two at once would write the same bytes, and the digest shows if they did not.
    if (isSystemError(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) return 'none'
    throw error
  }
}
