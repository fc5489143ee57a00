import { createHash } from 'node:crypto'
import { mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { makePrivateFolder, PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { noSpaceFor } from './body-file.ts'

/** An open file, which the receiver closes. */
export interface OpenFile {
  file: FileHandle
  sizeBytes: number
}

interface Making {
  done: Promise<void>
  waiters: AbortSignal[]
}

const MIB = 1024 * 1024
const MOST_BYTES = 512 * MIB

/**
 * Cached renderings of large transcripts (`rendered/`), each made once for all that wait for it. The least recently used
 * are removed beyond a size limit; a start begins empty.
 */
export class Renditions {
  readonly #dir: string
  readonly #mostBytes: number
  /** Sizes by name, least recently used first. */
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
   * Opens a rendering, made if necessary.
   * @param key identifies its bytes, with `variant`.
   * @param make writes it to a new file; `isUnwanted` tells whether all callers have left.
   * @throws {AppError} `no_space`, and what `make` throws.
   */
  async get(
    { key, variant = '' }: { key: string; variant?: string },
    signal: AbortSignal,
    make: (target: string, isUnwanted: () => boolean) => Promise<void>,
  ): Promise<OpenFile> {
    const name = `${digestOf(key)}-${digestOf(variant)}`
    for (;;) {
      if (!this.#kept.has(name)) await this.#make(name, signal, make)
      const found = await this.#open(name)
      if (found !== null) return found
    }
  }

  /** Removes all variants of one, at once or when they are finished. */
  async drop(key: string): Promise<void> {
    const prefix = digestOf(key)
    for (const [name, { done }] of this.#making) {
      if (name.startsWith(prefix))
        void done.then(async () => await this.#remove(name)).catch(() => undefined)
    }
    const kept = [...this.#kept.keys()].filter((name) => name.startsWith(prefix))
    for (const name of kept) await this.#remove(name)
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
      // The folder may have been removed.
      await mkdir(this.#dir, { recursive: true, mode: PRIVATE_FOLDER })
      await rm(target, { force: true })
      await make(target)
      const { size } = await stat(target)
      this.#kept.set(name, size)
      this.#bytes += size
      await this.#makeRoom()
    } catch (error) {
      await rm(target, { force: true })
      throw noSpaceFor('this form of the transcript; …/result has it', error)
    }
  }

  /** Open files stay readable. */
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

  /** Null: it has been removed meanwhile. */
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

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
