import { randomUUID } from 'node:crypto'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isDiskFull, isSystemError } from '../../shared/errors.ts'
import { makePrivateFolder, PRIVATE_FILE } from '../storage/private-folder.ts'
import { syncDirectory } from '../storage/sync.ts'
import type { OpenFile } from './renditions.ts'

/** The transcripts that are too large for a job's file: `results/<job id>.json`. */
export class Results {
  readonly #dir: string

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async open(dataDir: string): Promise<Results> {
    const dir = path.join(dataDir, 'results')
    makePrivateFolder(dir)
    for (const name of await readdir(dir)) {
      if (!name.endsWith('.json')) await rm(path.join(dir, name), { force: true })
    }
    return new Results(dir)
  }

  /** Makes a large body's JSON durable in a file of its own; to be called before the job says that it has it. */
  async save(jobId: string, json: Uint8Array): Promise<void> {
    const temporary = path.join(this.#dir, `${jobId}.${randomUUID()}.tmp`)
    try {
      const file = await open(temporary, 'wx', PRIVATE_FILE)
      try {
        await file.writeFile(json)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.file(jobId))
      await syncDirectory(this.#dir)
    } catch (error) {
      await rm(temporary, { force: true })
      throw isDiskFull(error)
        ? new AppError('no_space', 'The coordinator has no disk space for the result.', {
            cause: error,
          })
        : error
    }
  }

  /**
   * Opens a large body's JSON, an object without white space around it.
   * @throws {AppError} `not_found` when the file is gone; `internal` when it is no object.
   */
  async open(jobId: string): Promise<OpenFile> {
    const file = await open(this.file(jobId)).catch((error: unknown) => {
      throw readError(jobId, error)
    })
    try {
      const { size } = await file.stat()
      const ends = Buffer.alloc(2)
      await file.read(ends, 0, 1, 0)
      await file.read(ends, 1, 1, Math.max(0, size - 1))
      if (ends.toString('latin1') !== '{}') throw readError(jobId, new SyntaxError())
      return { file, sizeBytes: size }
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Removes a job's file; how many bytes that freed. */
  async remove(jobId: string): Promise<number> {
    const size = await this.size(jobId)
    await rm(this.file(jobId), { force: true })
    return size
  }

  async size(jobId: string): Promise<number> {
    return (await stat(this.file(jobId)).catch(() => null))?.size ?? 0
  }

  /** The jobs that a file is here of. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).map((name) => path.basename(name, '.json'))
  }

  /** Where a large body's JSON lies. */
  file(jobId: string): string {
    return path.join(this.#dir, `${jobId}.json`)
  }
}

/** What is wrong where a large body cannot be read. */
export function readError(jobId: string, error: unknown): unknown {
  if (error instanceof SyntaxError) {
    const message = `The result file of job ${jobId} is damaged.`
    return new AppError('internal', message, { cause: error })
  }
  if (!isSystemError(error, 'ENOENT')) return error
  return new AppError('not_found', `The result file of job ${jobId} is gone.`, { cause: error })
}
