import { createHash, randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isDiskFull, isSystemError } from '../../shared/errors.ts'
import type { Result, ResultBody } from '../job/job.ts'
import { makePrivateFolder, PRIVATE_FILE } from '../storage/private-folder.ts'
import { syncDirectory } from '../storage/sync.ts'

/** A result up to this many characters of JSON stays in the job's own file. */
const INLINE_CHARS = 4_096
const MIB = 1024 * 1024
/** The words of a recording of a hundred hours are a third of it. */
const MAX_CONTENT_MIB = 16
/** Together with the text that is what the body of a request may be. */
const MAX_METADATA_MIB = 48
/** One each second and a half, for a hundred hours. */
const MAX_SEGMENTS = 250_000

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

  /** Makes a large body durable in a file of its own; to be called before the job says that it has it. */
  async save(jobId: string, body: ResultBody): Promise<void> {
    const temporary = path.join(this.#dir, `${jobId}.${randomUUID()}.tmp`)
    try {
      const file = await open(temporary, 'wx', PRIVATE_FILE)
      try {
        await file.writeFile(JSON.stringify(body))
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(temporary, this.#file(jobId))
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

  /** @throws {AppError} `not_found` when the file is gone; `internal` when it is damaged. */
  async read(jobId: string, result: Result): Promise<ResultBody> {
    if (result.body !== null) return result.body
    try {
      return JSON.parse(await readFile(this.#file(jobId), 'utf8')) as ResultBody
    } catch (error) {
      if (error instanceof SyntaxError)
        throw new AppError('internal', `The result file of job ${jobId} is damaged.`, {
          cause: error,
        })
      if (!isSystemError(error, 'ENOENT')) throw error
      throw new AppError('not_found', `The result file of job ${jobId} is gone.`, { cause: error })
    }
  }

  /** Removes a job's file; how many bytes that freed. */
  async remove(jobId: string): Promise<number> {
    const size = await this.size(jobId)
    await rm(this.#file(jobId), { force: true })
    return size
  }

  async size(jobId: string): Promise<number> {
    return (await stat(this.#file(jobId)).catch(() => null))?.size ?? 0
  }

  /** The jobs that a file is here of. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).map((name) => path.basename(name, '.json'))
  }

  #file(jobId: string): string {
    return path.join(this.#dir, `${jobId}.json`)
  }
}

/**
 * The body as a job holds it, and whether it must be {@link Results.save}d first.
 * @throws {AppError} `too_large`
 */
export function resultOf(
  body: ResultBody,
  processingSeconds: number | null,
): { result: Result; large: boolean } {
  const metadata = JSON.stringify(body.metadata)
  checkSize(body, Buffer.byteLength(metadata))
  const json = `[${JSON.stringify(body.content)},${metadata}]`
  const duration = body.metadata['duration']
  const large = json.length > INLINE_CHARS
  return {
    large,
    result: {
      digest: createHash('sha256').update(json).digest('hex'),
      processingSeconds,
      mediaSeconds: typeof duration === 'number' && duration >= 0 ? duration : null,
      body: large ? null : body,
    },
  }
}

function checkSize({ content, metadata }: ResultBody, metadataBytes: number): void {
  const segments = metadata['segments']
  const excess =
    Buffer.byteLength(content) > MAX_CONTENT_MIB * MIB
      ? `its text is larger than ${MAX_CONTENT_MIB} MiB`
      : metadataBytes > MAX_METADATA_MIB * MIB
        ? `its metadata is larger than ${MAX_METADATA_MIB} MiB`
        : Array.isArray(segments) && segments.length > MAX_SEGMENTS
          ? `it has more than ${MAX_SEGMENTS} segments`
          : null
  if (excess !== null) throw new AppError('too_large', `The result is not taken: ${excess}.`)
}
