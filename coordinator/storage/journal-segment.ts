import { open, stat, type FileHandle } from 'node:fs/promises'
import { AppError, isDiskFull, isSystemError } from '../../shared/errors.ts'
import { diskReason } from './disk-reason.ts'
import { PRIVATE_FILE } from './private-folder.ts'

/**
 * A file that the journal grows in, from its first byte on. What {@link append} has resolved for is on the disk.
 * A full disk is no failure of it: the disk says so before it takes a byte, and what it had taken of the same write is
 * cut off again. After any other error nobody can say what is on the disk.
 */
export class Segment {
  readonly #handle: FileHandle
  readonly #inode: bigint
  #bytes = 0

  private constructor(handle: FileHandle, inode: bigint) {
    this.#handle = handle
    this.#inode = inode
  }

  /** An empty one, also where a file was. @throws {AppError} `no_space` when it cannot be made for that. */
  static async create(file: string): Promise<Segment> {
    try {
      return await openPrivate(file, (handle, inode) => new Segment(handle, inode))
    } catch (error) {
      throw isDiskFull(error) ? fullDisk(error) : error
    }
  }

  /** How many are safe. */
  get bytes(): number {
    return this.#bytes
  }

  /** @throws {AppError} `no_space` when nothing of it is on the disk, nor will be after a crash. */
  async append(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return
    try {
      for (let done = 0; done < bytes.length;) {
        const at = this.#bytes + done
        done += (await this.#handle.write(bytes, done, bytes.length - done, at)).bytesWritten
      }
    } catch (error) {
      if (isDiskFull(error)) await this.#takeBack(error)
      throw error
    }
    await this.#handle.datasync()
    this.#bytes += bytes.length
  }

  /** Whether a file is this one: a name may have been taken away, or given to another. */
  async isAt(file: string): Promise<boolean> {
    try {
      return (await stat(file, { bigint: true })).ino === this.#inode
    } catch (error) {
      if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /**
   * Cuts off what was taken of a refused write. Up to there all is synced and no sync has failed, so what is on the disk
   * is known; a line left half behind would hide from a replay all that comes after it.
   * @throws {AppError} `no_space`; what was refused, when it cannot be cut off.
   */
  async #takeBack(refused: unknown): Promise<never> {
    try {
      await this.#handle.truncate(this.#bytes)
      // Whoever is told that it did not happen must not find after a crash that it did.
      await this.#handle.datasync()
    } catch {
      throw refused
    }
    throw fullDisk(refused)
  }
}

/** Empty, and closed to others also where it was there before. */
async function openPrivate<T>(
  file: string,
  use: (handle: FileHandle, inode: bigint) => T,
): Promise<T> {
  const handle = await open(file, 'w', PRIVATE_FILE)
  try {
    const facts = await handle.stat({ bigint: true })
    if (facts.isFile() && (facts.mode & 0o077n) !== 0n) await handle.chmod(PRIVATE_FILE)
    return use(handle, facts.ino)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function fullDisk(cause: unknown): AppError {
  const message = `The coordinator has no disk space left for its journal (${diskReason(cause)}): free some.`
  return new AppError('no_space', message, { cause })
}
