import { lstatSync, type Stats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { SECOND } from '../../shared/duration.ts'
import { AppError, invalid, isSystemError } from '../../shared/errors.ts'
import type { Source } from '../job/job.ts'
import { isLocal } from './disk.ts'

const MOST_FOLDERS = 1_000

const NO_FILE =
  'There is no such file in a media root: make the file first, also for the self-tests of the original, which only name one.'

/**
 * The folders that a job's file may come from. Links are resolved, and paths compared by segments: `/media-old/x` is not
 * inside `/media`.
 */
export class MediaRoots {
  readonly #roots: readonly string[]
  readonly #steady: () => number
  /** The folders that are reached without links, and when that was found. */
  readonly #plainFolders = new Map<string, { foundAt: number; isLocal: boolean }>()
  #dataDir: string | null = null

  private constructor(roots: readonly string[], steady: () => number) {
    this.#roots = roots
    this.#steady = steady
  }

  /**
   * @param steady a monotonic clock, in milliseconds.
   * @throws {AppError} `usage` for a root that is no readable folder.
   */
  static async resolve(
    roots: readonly string[],
    steady = (): number => performance.now(),
  ): Promise<MediaRoots> {
    const resolved = await Promise.all(
      roots.map(async (root) => {
        try {
          const real = await realpath(root)
          if ((await stat(real)).isDirectory()) return real
        } catch (error) {
          if (!isSystemError(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) throw error
        }
        throw new AppError('usage', `The media root ${root} is not a folder that can be read.`)
      }),
    )
    return new MediaRoots(resolved, steady)
  }

  /** Excludes the data folder, where it lies inside a root. */
  async keepOut(dataDir: string): Promise<void> {
    this.#dataDir = await realpath(dataDir)
  }

  /** @throws {AppError} `invalid` with the reason and the allowed roots. */
  async source(file: string): Promise<Source> {
    const refuse = (why: string): never => {
      const msg = `${why} Files of these folders are allowed: ${this.#roots.join(', ')}.`
      throw invalid(msg, ['body', 'source_file_path'])
    }
    if (!path.isAbsolute(file) || file.includes('\0')) return refuse('The path is not absolute.')
    // The same answer for a missing file and one outside, so that the file system cannot be probed.
    const { real, facts } = (await this.#find(file)) ?? {}
    if (real === undefined || !this.#holds(real)) return refuse(NO_FILE)
    if (facts?.isFile() !== true) return refuse('That is not a regular file.')
    return {
      kind: 'path',
      path: real,
      filename: path.basename(file),
      sizeBytes: facts.size,
      sha256: null,
      modifiedAt: Math.floor(facts.mtimeMs),
    }
  }

  /** Whether a path, links resolved, is inside a root. */
  async allows(file: string): Promise<boolean> {
    const real = await realpath(file).catch(() => null)
    return real !== null && this.#holds(real)
  }

  /**
   * A file with its links resolved; null: there is none. Its folder is asked about once a second: each question waits for a
   * thread, which costs far more than an answer of a local disk. Who reads the file asks again.
   */
  async #find(file: string): Promise<{ real: string; facts: Stats } | null> {
    const now = this.#steady()
    const folder = path.dirname(file)
    const plain = this.#plainFolders.get(folder)
    try {
      if (plain !== undefined && now - plain.foundAt < SECOND && path.normalize(file) === file) {
        const facts = plain.isLocal ? lstatSync(file) : await lstat(file)
        if (!facts.isSymbolicLink()) return { real: file, facts }
      }
      const [real, facts] = await Promise.all([realpath(file), stat(file)])
      if (this.#plainFolders.size >= MOST_FOLDERS) this.#plainFolders.clear()
      if (real === file)
        this.#plainFolders.set(folder, { foundAt: now, isLocal: await isLocal(folder) })
      return { real, facts }
    } catch {
      return null
    }
  }

  #holds(real: string): boolean {
    const own = this.#dataDir
    return this.#roots.some((root) => {
      const spared = own !== null && (root === own || isInside(own, root)) && isInside(real, own)
      return isInside(real, root) && !spared
    })
  }
}

function isInside(file: string, folder: string): boolean {
  const inside = path.relative(folder, file)
  return inside !== '' && !path.isAbsolute(inside) && inside.split(path.sep)[0] !== '..'
}
