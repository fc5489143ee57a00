import { randomUUID } from 'node:crypto'
import {
  constants,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { AppError, isDiskFull, isSystemError } from '../../shared/errors.ts'
import { openFile } from './open-file.ts'
import { receiveFile, type ReceivedFile } from './body-file.ts'
import { makePrivateFolder, PRIVATE_FILE, PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { syncDirectory } from '../storage/sync.ts'
import { KeyedMutex } from '../keyed-mutex.ts'

/** A file that a worker made beside the transcript: a key frame, subtitles of another language. */
export interface Artifact {
  name: string
  sizeBytes: number
  contentType: string
}

/** One that is open for reading. */
export interface OpenArtifact extends Artifact {
  file: FileHandle
}

const MAX_BYTES = 64 * 1024 * 1024
const MAX_PER_JOB = 1_000
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.vtt': 'text/vtt; charset=utf-8',
  '.srt': 'application/x-subrip; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
}

/** The artifacts of jobs: `artifacts/<job id>/<name>`. */
export class Artifacts {
  readonly #dir: string
  readonly #turns = new KeyedMutex()

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async open(dataDir: string): Promise<Artifacts> {
    const dir = path.join(dataDir, 'artifacts')
    makePrivateFolder(dir)
    const artifacts = new Artifacts(dir)
    await rm(artifacts.#incoming, { recursive: true, force: true })
    await mkdir(artifacts.#incoming, { mode: PRIVATE_FOLDER })
    return artifacts
  }

  /**
   * Streams a request's body into an artifact; the same name again replaces it. Nothing of a failed one stays.
   * @param isAllowed throws when the sender may not, or no longer once all has come.
   * @throws {AppError} `invalid` for the name, `too_large`, `bad_request`, `no_space`.
   */
  async save(
    jobId: string,
    name: string,
    request: IncomingMessage,
    isAllowed: () => void,
  ): Promise<ReceivedFile> {
    isAllowed()
    checkName(name)
    await this.#checkRoom(jobId, name)
    return await this.#adopt(jobId, name, isAllowed, async (file) =>
      receiveFile(request, file, MAX_BYTES),
    )
  }

  /** Keeps a text of our own beside them. @param isAllowed throws when it is wanted no longer. @throws {AppError} `no_space` */
  async keep(
    jobId: string,
    name: string,
    text: string | Uint8Array,
    isAllowed: () => void,
  ): Promise<void> {
    await this.#adopt(jobId, name, isAllowed, async (file) => {
      await writeFile(file, text, { flag: 'wx', mode: PRIVATE_FILE, flush: true })
    }).catch((error: unknown) => {
      if (!isDiskFull(error)) throw error
      throw new AppError('no_space', `The coordinator has no disk space for ${name}.`, {
        cause: error,
      })
    })
  }

  /** Writes a file and, once it is whole, gives it its name. */
  async #adopt<T>(
    jobId: string,
    name: string,
    isAllowed: () => void,
    write: (file: string) => Promise<T>,
  ): Promise<T> {
    const temporary = path.join(this.#incoming, randomUUID())
    try {
      const received = await write(temporary)
      await this.#turns.take(jobId, async () => {
        await this.#checkRoom(jobId, name)
        isAllowed()
        await mkdir(this.#folder(jobId), { recursive: true, mode: PRIVATE_FOLDER })
        await rename(temporary, path.join(this.#folder(jobId), name))
        await syncDirectory(this.#folder(jobId))
        await syncDirectory(this.#dir)
      })
      return received
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** A job's artifacts, by name. */
  async list(jobId: string): Promise<Artifact[]> {
    const names = await this.#names(jobId)
    const found = await Promise.all(
      names.map(async (name) => {
        const facts = await stat(path.join(this.#folder(jobId), name)).catch(() => null)
        return facts === null ? [] : [factsOf(name, facts.size)]
      }),
    )
    return found.flat().sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Opens one. @throws {AppError} `not_found` */
  async read(jobId: string, name: string): Promise<OpenArtifact> {
    const missing = new AppError('not_found', `Job ${jobId} has no artifact of that name.`)
    if (!NAME.test(name)) throw missing
    const place = path.join(this.#folder(jobId), name)
    const { file, facts } = await openFile(place, constants.O_NOFOLLOW).catch((error: unknown) => {
      throw isSystemError(error, 'ENOENT', 'ENOTDIR', 'ELOOP') ? missing : error
    })
    if (facts.isFile()) return { file, ...factsOf(name, facts.size) }
    await file.close()
    throw missing
  }

  /** Removes those of a job; how many bytes that freed. */
  async remove(jobId: string): Promise<number> {
    return await this.#turns.take(jobId, async () => {
      const size = await this.size(jobId)
      await rm(this.#folder(jobId), { recursive: true, force: true })
      return size
    })
  }

  async size(jobId: string): Promise<number> {
    return (await this.list(jobId)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** The jobs that artifacts are here of. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).filter((name) => !name.startsWith('.'))
  }

  /** Where one is written until it is whole. */
  get #incoming(): string {
    return path.join(this.#dir, '.incoming')
  }

  async #checkRoom(jobId: string, name: string): Promise<void> {
    const names = await this.#names(jobId)
    if (names.length < MAX_PER_JOB || names.includes(name)) return
    throw new AppError(
      'too_large',
      `Job ${jobId} has ${MAX_PER_JOB} artifacts, which is the limit.`,
    )
  }

  async #names(jobId: string): Promise<string[]> {
    return await readdir(this.#folder(jobId)).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return []
      throw error
    })
  }

  #folder(jobId: string): string {
    return path.join(this.#dir, jobId)
  }
}

function checkName(name: string): void {
  if (NAME.test(name)) return
  const msg =
    'An artifact is named with up to 100 letters, digits, _, - and dots, and not with a dot or - first.'
  const problems = [{ loc: ['path', 'name'], msg, type: 'value_error' }]
  throw new AppError('invalid', msg, { problems })
}

function factsOf(name: string, sizeBytes: number): Artifact {
  const extension = path.extname(name).toLowerCase()
  const contentType = Object.hasOwn(CONTENT_TYPES, extension)
    ? CONTENT_TYPES[extension]!
    : 'application/octet-stream'
  return { name, sizeBytes, contentType }
}
