import { open } from 'node:fs/promises'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { noSpaceFor } from './body-file.ts'
import { jsonFolder, JsonFiles } from './json-files.ts'
import type { OpenFile } from './renditions.ts'

/** Bodies of results that are too large for a job's file: `results/<job id>.json`. */
export class Results extends JsonFiles {
  static async open(dataDir: string): Promise<Results> {
    return new Results(await jsonFolder(dataDir, 'results'))
  }

  /** Makes a body durable, before its job refers to it. @throws {AppError} `no_space` */
  async save(jobId: string, json: Uint8Array): Promise<void> {
    await replaceFile(this.path(jobId), json).catch((error: unknown) => {
      throw noSpaceFor('the result', error)
    })
  }

  /**
   * Opens a body: a JSON object without surrounding white space.
   * @throws {AppError} `not_found`; `internal` when it is damaged.
   */
  async read(jobId: string): Promise<OpenFile> {
    const file = await open(this.path(jobId)).catch((error: unknown) => {
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
}

/** The error to throw when a body cannot be read. */
export function readError(jobId: string, error: unknown): unknown {
  if (error instanceof SyntaxError) {
    const message = `The result file of job ${jobId} is damaged.`
    return new AppError('internal', message, { cause: error })
  }
  if (!isSystemError(error, 'ENOENT')) return error
  return new AppError('not_found', `The result file of job ${jobId} is gone.`, { cause: error })
}
