import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { AppError, isSystemError } from '../../shared/errors.ts'
import type { Job, Origin, Source } from '../job/job.ts'
import { PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { sync } from '../../shared/replace-file.ts'
import { INCOMING, incomingFolder, noSpaceFor } from './body-file.ts'
import { OWN_FOLDER } from './leftovers.ts'
import type { MediaRoots } from './media-roots.ts'
import { mediaTypeOf } from './media-type.ts'
import { openFile } from './open-file.ts'
import type { Origins } from './origins.ts'
import { storeFile, type Upload } from './upload.ts'

/** An open file, or one that is read from its web server. */
export interface Bytes {
  createReadStream(range: {
    start: number
    end: number
    highWaterMark?: number
  }): Readable | Promise<Readable>
  close(): Promise<void>
}

/** An open source, unchanged since its job was made. */
export interface OpenSource<File extends Bytes = Bytes> {
  file: File
  sizeBytes: number
  /** Strong: changes with the bytes. */
  etag: string
}

/** The files to convert: in `sources/<job id>/source`, inside a media root, or where they are fetched from when wanted. */
export class Sources {
  readonly #dir: string
  readonly #roots: MediaRoots
  readonly #origins: Origins

  private constructor(dir: string, roots: MediaRoots, origins: Origins) {
    this.#dir = dir
    this.#roots = roots
    this.#origins = origins
  }

  static async open(
    dataDir: string,
    roots: MediaRoots,
    origins: Origins,
    use = OWN_FOLDER,
  ): Promise<Sources> {
    return new Sources(await incomingFolder(dataDir, 'sources', use), roots, origins)
  }

  /** Where an upload is written until its job exists. */
  get incoming(): string {
    return path.join(this.#dir, INCOMING)
  }

  /** @throws {AppError} `invalid` for a path that is no file of a media root. */
  async fromPath(file: string): Promise<Source> {
    return await this.#roots.source(file)
  }

  /** Stores what comes until its job exists. @throws {AppError} `too_large`, `no_space`; then no file is left. */
  async receive(body: Readable, filename: string, signal: AbortSignal): Promise<Upload> {
    const target = path.join(this.incoming, randomUUID())
    try {
      return await storeFile(body, target, filename, this.#origins.maxBytes, { signal })
    } catch (error) {
      await rm(target, { force: true })
      throw noSpaceFor('the file', signal.aborted ? signal.reason : error)
    }
  }

  /** Makes a received file the source of a job, durably; it is removed where that fails. @param origin where it was fetched. */
  async adopt(
    jobId: string,
    { file, filename, sizeBytes, sha256 }: Upload,
    origin?: Origin,
  ): Promise<Source> {
    await this.#place(jobId, file)
    const facts = { path: null, filename, sizeBytes, sha256, modifiedAt: null }
    return origin === undefined ? { kind: 'upload', ...facts } : { kind: 'url', ...facts, origin }
  }

  /**
   * Opens a job's source, or makes it ready to be fetched.
   * @throws {AppError} `source_missing`, `source_changed`: both end the attempt for good.
   */
  async read(job: Job): Promise<OpenSource> {
    const { source } = job
    if (!isRemote(source)) return await this.#open(job)
    const createReadStream: Bytes['createReadStream'] = async (range) =>
      await this.#origins.read(source, range)
    const file = { createReadStream, close: async () => undefined }
    return { file, sizeBytes: source.sizeBytes, etag: etagOf(job) }
  }

  /** Opens a job's source as a file, which is fetched first where it has to be. @throws {AppError} as {@link read}. */
  async local(job: Job, signal: AbortSignal): Promise<OpenSource<FileHandle>> {
    if (isRemote(job.source) && (await this.size(job)) === 0) await this.#fetch(job, signal)
    return await this.#open(job)
  }

  /** The media type of a job's source where that is audio or video. @throws {AppError} as {@link read}. */
  async mediaType(job: Job): Promise<string | null> {
    const { origin } = job.source
    if (origin !== undefined) return origin.mediaType
    const { file } = await this.#open(job)
    const type = await mediaTypeOf(file)
    await file.close()
    return type
  }

  /** The path of {@link local}. @throws {AppError} as {@link read}. */
  async locate(job: Job, signal: AbortSignal): Promise<string> {
    const { file } = await this.local(job, signal)
    await file.close()
    return this.#file(job)
  }

  async #open(job: Job): Promise<OpenSource<FileHandle>> {
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

  async #fetch({ jobId, source }: Job, signal: AbortSignal): Promise<void> {
    const { sizeBytes, filename } = source
    const body = await this.#origins.read(source, { start: 0, end: sizeBytes - 1 })
    const { file } = await this.receive(body, filename, signal)
    await this.#place(jobId, file)
  }

  async #place(jobId: string, file: string): Promise<void> {
    const folder = path.join(this.#dir, jobId)
    try {
      await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER })
      await rename(file, path.join(folder, 'source'))
    } finally {
      await rm(file, { force: true })
    }
    await sync(folder)
    await sync(this.#dir)
  }

  /** Removes what is stored of a source. @returns the bytes freed. */
  async remove(job: Job): Promise<number> {
    if (job.source.kind === 'path') return 0
    const size = await this.size(job)
    await rm(path.join(this.#dir, job.jobId), { recursive: true, force: true })
    return size
  }

  async size(job: Job): Promise<number> {
    if (job.source.kind === 'path') return 0
    return (await stat(this.#file(job)).catch(() => null))?.size ?? 0
  }

  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).filter((name) => !name.startsWith('.'))
  }

  /** The folder of a job's upload. */
  path(jobId: string): string {
    return path.join(this.#dir, jobId)
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
  const { sha256, sizeBytes, modifiedAt, origin } = source
  const validator = origin?.validator ?? null
  const hash = validator === null ? sha256 : createHash('sha256').update(validator).digest('hex')
  const content = hash?.slice(0, 32) ?? `${sizeBytes}-${modifiedAt ?? 0}`
  return `"${jobId.slice(0, 8)}-${content}"`
}

/** Whether a source is only at its origin. */
function isRemote({ origin }: Source): boolean {
  return (origin?.validator ?? null) !== null
}

function missing({ jobId, source }: Job, cause?: unknown): AppError {
  const message = {
    upload: `The upload of job ${jobId} is no longer kept (--remove-sources): send it again.`,
    url: `The file of job ${jobId} is no longer kept (--remove-sources): give its address again.`,
    path: `The source file of job ${jobId} is gone.`,
  }[source.kind]
  return new AppError('source_missing', message, { cause })
}
