import { mkdir, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import type { Job, Source } from '../job/job.ts'
import { PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { sync } from '../../shared/replace-file.ts'
import { INCOMING, incomingFolder } from './body-file.ts'
import type { MediaRoots } from './media-roots.ts'
import { openFile } from './open-file.ts'
import type { Upload } from './upload.ts'

/** An open source, unchanged since its job was made. */
export interface OpenSource {
  file: FileHandle
  sizeBytes: number
  /** Strong: changes with the bytes. */
  etag: string
}

/** The files to convert: uploads in `sources/<job id>/source`, others inside a media root. */
export class Sources {
  readonly #dir: string
  readonly #roots: MediaRoots

  private constructor(dir: string, roots: MediaRoots) {
    this.#dir = dir
    this.#roots = roots
  }

  static async open(dataDir: string, roots: MediaRoots): Promise<Sources> {
    return new Sources(await incomingFolder(dataDir, 'sources'), roots)
  }

  /** Where an upload is written until its job exists. */
  get incoming(): string {
    return path.join(this.#dir, INCOMING)
  }

  /** @throws {AppError} `invalid` for a path that is no file of a media root. */
  async fromPath(file: string): Promise<Source> {
    return await this.#roots.source(file)
  }

  /** Makes an upload the source of a job, durably. */
  async adopt(jobId: string, { file, filename, sizeBytes, sha256 }: Upload): Promise<Source> {
    const folder = path.join(this.#dir, jobId)
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER })
    await rename(file, path.join(folder, 'source'))
    await sync(folder)
    await sync(this.#dir)
    return { kind: 'upload', path: null, filename, sizeBytes, sha256, modifiedAt: null }
  }

  /**
   * Opens a job's source.
   * @throws {AppError} `source_missing`, `source_changed`: both end the attempt for good.
   */
  async read(job: Job): Promise<OpenSource> {
    const { source, jobId } = job
    const name = this.#file(job)
    if (source.kind === 'path' && !(await this.#roots.allows(name))) throw missing(job)
    const { file, facts } = await openFile(name).catch((error: unknown) => {
      throw isSystemError(error, 'ENOENT', 'ENOTDIR', 'EACCES') ? missing(job, error) : error
    })
    const changed =
      !facts.isFile() ||
      facts.size !== source.sizeBytes ||
      (source.modifiedAt !== null && Math.floor(facts.mtimeMs) !== source.modifiedAt)
    if (changed) {
      await file.close()
      const message = `The source file of job ${jobId} is not the one it was made for: it has changed since.`
      throw new AppError('source_changed', message)
    }
    return { file, sizeBytes: facts.size, etag: etagOf(job) }
  }

  /** A job's source by its path, checked as by {@link read}. @throws {AppError} `source_missing`, `source_changed`. */
  async locate(job: Job): Promise<string> {
    const { file } = await this.read(job)
    await file.close()
    return this.#file(job)
  }

  /** Removes an upload. @returns the bytes freed. */
  async remove(job: Job): Promise<number> {
    if (job.source.kind !== 'upload') return 0
    const size = await this.size(job)
    await rm(path.join(this.#dir, job.jobId), { recursive: true, force: true })
    return size
  }

  async size(job: Job): Promise<number> {
    if (job.source.kind !== 'upload') return 0
    return (await stat(this.#file(job)).catch(() => null))?.size ?? 0
  }

  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).filter((name) => !name.startsWith('.'))
  }

  async removeOrphan(jobId: string): Promise<void> {
    await rm(path.join(this.#dir, jobId), { recursive: true, force: true })
  }

  #file({ source, jobId }: Job): string {
    return source.path ?? path.join(this.#dir, jobId, 'source')
  }
}

/** Derived without reading the bytes. */
export function etagOf({ source, jobId }: Job): string {
  const content = source.sha256?.slice(0, 32) ?? `${source.sizeBytes}-${source.modifiedAt ?? 0}`
  return `"${jobId.slice(0, 8)}-${content}"`
}

function missing(job: Job, cause?: unknown): AppError {
  const message =
    job.source.kind === 'upload'
      ? `The upload of job ${job.jobId} is no longer kept (--remove-sources): send it again.`
      : `The source file of job ${job.jobId} is gone.`
  return new AppError('source_missing', message, { cause })
}
