import { open } from 'node:fs/promises'
import { AppError, isSystemError } from '../../shared/errors.ts'
import type { CompletedJob } from '../job/job.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { noSpaceFor } from './body-file.ts'
import { jsonFolder, JsonFiles } from './json-files.ts'
import { OWN_FOLDER } from './leftovers.ts'
import type { OpenFile } from './renditions.ts'

type ResultRef = Pick<CompletedJob, 'jobId'> & { result: Pick<CompletedJob['result'], 'digest'> }

/**
 * Bodies of results that are too large for a job's record: `results/<job id>.json`. Where several coordinators use the
 * folder, `<job id>.<digest>.json`: what loses a race between two of them must not replace what wins.
 */
export class Results extends JsonFiles {
  readonly #isShared: boolean

  private constructor(dir: string, isShared: boolean) {
    super(dir)
    this.#isShared = isShared
  }

  static async open(dataDir: string, use = OWN_FOLDER): Promise<Results> {
    return new Results(await jsonFolder(dataDir, 'results', use), use.isShared)
  }

  /** The name by which a stored body is read, measured and removed: it may have been stored when the folder was shared, or before. */
  async nameOf(ref: ResultRef): Promise<string> {
    const { jobId, result } = ref
    const [own, other] = this.#isShared
      ? [this.#nameOf(ref), jobId]
      : [jobId, `${jobId}.${result.digest}`]
    return (await this.size(own)) === 0 && (await this.size(other)) > 0 ? other : own
  }

  /** Makes a body durable, before its job refers to it. @throws {AppError} `no_space` */
  async save(ref: ResultRef, json: Uint8Array): Promise<void> {
    await replaceFile(this.path(this.#nameOf(ref)), json).catch((error: unknown) => {
      throw noSpaceFor('the result', error)
    })
  }

  /**
   * Opens a body: a JSON object without surrounding white space.
   * @throws {AppError} `not_found`; `internal` when it is damaged.
   */
  async read(ref: ResultRef): Promise<OpenFile> {
    const { jobId } = ref
    const file = await open(this.path(await this.nameOf(ref))).catch((error: unknown) => {
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

  #nameOf({ jobId, result: { digest } }: ResultRef): string {
    return this.#isShared ? `${jobId}.${digest}` : jobId
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
