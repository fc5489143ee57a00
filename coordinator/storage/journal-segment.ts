import { constants, statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { PRIVATE_FILE } from './private-folder.ts'

/**
 * On Linux each write is synced as by `fdatasync`: one wait for a thread instead of two. Elsewhere that would promise less
 * than Node's `fdatasync`.
 */
const SYNCED = process.platform === 'linux' ? constants.O_DSYNC : 0
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | SYNCED

/**
 * A file that the journal appends to. What {@link append} has resolved for is on disk. After a full disk, what was
 * written of the refused line is cut off again; after any other error the content is unknown.
 */
export class Segment {
  readonly #handle: FileHandle
  readonly #inode: bigint
  #bytes = 0

  private constructor(handle: FileHandle, inode: bigint) {
    this.#handle = handle
    this.#inode = inode
  }

  /** Creates an empty one, or empties a file. @throws {AppError} `no_space` */
  static async create(file: string): Promise<Segment> {
    try {
      return await openPrivate(file, (handle, inode) => new Segment(handle, inode))
    } catch (error) {
      throw isDiskFull(error) ? fullDisk(error) : error
    }
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** @throws {AppError} `no_space` when nothing was appended. */
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
    if (SYNCED === 0) await this.#handle.datasync()
    this.#bytes += bytes.length
  }

  /** Whether the file at a path is this one. */
  isAt(file: string): boolean {
    try {
      return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode
    } catch (error) {
      if (isSystemError(error, 'ENOTDIR')) return false
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  /**
   * Cuts off a refused write. All before it is synced, so the content is known; an incomplete line would hide all later
   * ones from a replay.
   * @throws {AppError} `no_space`; the original error if the cut fails.
   */
  async #takeBack(refused: unknown): Promise<never> {
    try {
      await this.#handle.truncate(this.#bytes)
      // A refused line must not reappear after a crash.
      await this.#handle.datasync()
    } catch {
      throw refused
    }
    throw fullDisk(refused)
  }
}

/** Opens an empty private file. */
async function openPrivate<T>(
  file: string,
  use: (handle: FileHandle, inode: bigint) => T,
): Promise<T> {
  const handle = await open(file, NEW_FILE, PRIVATE_FILE)
  try {
    const facts = await handle.stat({ bigint: true })
    if (facts.isFile() && (facts.mode & 0o077n) !== 0n) await handle.chmod(PRIVATE_FILE)
    return use(handle, facts.ino)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** A disk error without the call and its path, which `/health` must not show to anonymous clients. */
export function diskReason(error: unknown): string {
  const isOfSystem = error instanceof Error && 'syscall' in error
  return isOfSystem ? messageOf(error).split(',', 1)[0]! : messageOf(error)
}

function fullDisk(cause: unknown): AppError {
  const message = `The coordinator has no disk space left for its journal (${diskReason(cause)}): free some.`
  return new AppError('no_space', message, { cause })
}
