import { createHash } from 'node:crypto'
import { mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isDiskFull, isSystemError } from '../../shared/errors.ts'
import { makePrivateFolder, PRIVATE_FOLDER } from '../storage/private-folder.ts'

/** A file that is open, to be closed by whom it is given to. */
export interface OpenFile {
  file: FileHandle
  sizeBytes: number
}

/** One that is being made, and who waits for it. */
interface Making {
  done: Promise<void>
  waiters: AbortSignal[]
}

const MIB = 1024 * 1024
/** What is kept of them on the disk. */
const MOST_BYTES = 512 * MIB

/**
 * Files that can be made again at any time: large transcripts in other forms (`rendered/`). Each is made once, by whom it
 * is asked for first, and the oldest go when they are too many. A start begins with none.
 */
export class Renditions {
  readonly #dir: string
  readonly #mostBytes: number
  /** Their sizes by name, the one that was asked for last at the end. */
  readonly #kept = new Map<string, number>()
  readonly #making = new Map<string, Making>()
  #bytes = 0

  private constructor(dir: string, mostBytes: number) {
    this.#dir = dir
    this.#mostBytes = mostBytes
  }

  static async open(dataDir: string, mostBytes: number = MOST_BYTES): Promise<Renditions> {
    const dir = path.join(dataDir, 'rendered')
    await rm(dir, { recursive: true, force: true })
    makePrivateFolder(dir)
    return new Renditions(dir, mostBytes)
  }

  /**
   * Opens one.
   * @param key what it is of; the same key is the same bytes.
   * @param make writes it to a file that is not there yet; is told whether all who wait for it have gone.
   * @throws {AppError} `no_space`, and what `make` throws.
   */
  async get(
    key: string,
    signal: AbortSignal,
    make: (target: string, isUnwanted: () => boolean) => Promise<void>,
  ): Promise<OpenFile> {
    const name = nameOf(key)
    for (;;) {
      if (!this.#kept.has(name)) await this.#make(name, signal, make)
      const found = await this.#open(name)
      if (found !== null) return found
    }
  }

  /** Removes one; one that is being made, as soon as it is. */
  async drop(key: string): Promise<void> {
    const name = nameOf(key)
    const making = this.#making.get(name)
    if (making === undefined) await this.#remove(name)
    else void making.done.then(async () => await this.#remove(name)).catch(() => undefined)
  }

  async #make(
    name: string,
    signal: AbortSignal,
    make: (target: string, isUnwanted: () => boolean) => Promise<void>,
  ): Promise<void> {
    const known = this.#making.get(name)
    if (known !== undefined) {
      known.waiters.push(signal)
      return await known.done
    }
    const waiters = [signal]
    const isUnwanted = (): boolean => waiters.every(({ aborted }) => aborted)
    const done = this.#write(name, async (target) => await make(target, isUnwanted))
    this.#making.set(name, { done, waiters })
    try {
      await done
    } finally {
      this.#making.delete(name)
    }
  }

  async #write(name: string, make: (target: string) => Promise<void>): Promise<void> {
    const target = path.join(this.#dir, name)
    try {
      // Somebody may have removed the folder: what was in it is made anew, and so is it.
      await mkdir(this.#dir, { recursive: true, mode: PRIVATE_FOLDER })
      await rm(target, { force: true })
      await make(target)
      const { size } = await stat(target)
      this.#kept.set(name, size)
      this.#bytes += size
      await this.#makeRoom()
    } catch (error) {
      await rm(target, { force: true })
      if (!isDiskFull(error)) throw error
      const message =
        'The coordinator has no disk space for this form of the transcript: take it from …/result.'
      throw new AppError('no_space', message, { cause: error })
    }
  }

  /** Those that are open stay readable. */
  async #makeRoom(): Promise<void> {
    for (const name of this.#kept.keys()) {
      if (this.#bytes <= this.#mostBytes || this.#kept.size === 1) return
      await this.#remove(name)
    }
  }

  async #remove(name: string): Promise<void> {
    const size = this.#kept.get(name)
    if (size === undefined) return
    this.#kept.delete(name)
    this.#bytes -= size
    await rm(path.join(this.#dir, name), { force: true })
  }

  /** Null: it has had to go meanwhile. */
  async #open(name: string): Promise<OpenFile | null> {
    try {
      const file = await open(path.join(this.#dir, name))
      const sizeBytes = this.#kept.get(name)
      if (sizeBytes === undefined) {
        await file.close()
        return null
      }
      this.#kept.delete(name)
      this.#kept.set(name, sizeBytes)
      return { file, sizeBytes }
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
      this.#bytes -= this.#kept.get(name) ?? 0
      this.#kept.delete(name)
      return null
    }
  }
}

function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
