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
import { AppError, invalid, isSystemError } from '../../shared/errors.ts'
import { openFile } from './open-file.ts'
import {
  INCOMING,
  incomingFolder,
  noSpaceFor,
  receiveFile,
  type ReceivedFile,
} from './body-file.ts'
import { OWN_FOLDER } from './leftovers.ts'
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../storage/private-folder.ts'
import { sync } from '../../shared/replace-file.ts'
import { KeyedMutex } from '../keyed-mutex.ts'

/** A file that a worker made beside the transcript, like a key frame or subtitles. */
export interface Artifact {
  name: string
  sizeBytes: number
  contentType: string
}

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
  '.jsonl': 'application/x-ndjson; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.tsv': 'text/tab-separated-values; charset=utf-8',
  '.lrc': 'text/plain; charset=utf-8',
}

/** The artifacts of jobs: `artifacts/<job id>/<name>`. */
export class Artifacts {
  readonly #dir: string
  readonly #turns = new KeyedMutex()

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async open(dataDir: string, use = OWN_FOLDER): Promise<Artifacts> {
    return new Artifacts(await incomingFolder(dataDir, 'artifacts', use))
  }

  /**
   * Streams a request's body into an artifact; the same name replaces it. A failed one leaves nothing.
   * @param isAllowed throws when the sender may not upload it; called before and after.
   * @throws {AppError} `invalid` for the name, `too_large`, `bad_request`, `no_space`.
   */
  async save(
    jobId: string,
    name: string,
    request: IncomingMessage,
    isAllowed: () => Promise<void>,
  ): Promise<ReceivedFile> {
    await isAllowed()
    checkName(name)
    await this.#checkRoom(jobId, name)
    return await this.#adopt(jobId, name, isAllowed, async (file) =>
      receiveFile(request, file, MAX_BYTES),
    )
  }

  /** Stores content of the coordinator's own. @param isAllowed throws when it is not wanted any more. @throws {AppError} `no_space` */
  async keep(
    jobId: string,
    name: string,
    text: string | Uint8Array,
    isAllowed: () => Promise<void>,
  ): Promise<void> {
    await this.#adopt(jobId, name, isAllowed, async (file) => {
      await writeFile(file, text, { flag: 'wx', mode: PRIVATE_FILE, flush: true })
    }).catch((error: unknown) => {
      throw noSpaceFor(name, error)
    })
  }

  /** Writes a file completely, then gives it its name. */
  async #adopt<T>(
    jobId: string,
    name: string,
    isAllowed: () => Promise<void>,
    write: (file: string) => Promise<T>,
  ): Promise<T> {
    const temporary = path.join(this.#dir, INCOMING, randomUUID())
    try {
      const received = await write(temporary)
      await this.#turns.take(jobId, async () => {
        await this.#checkRoom(jobId, name)
        await isAllowed()
        await mkdir(this.#folder(jobId), { recursive: true, mode: PRIVATE_FOLDER })
        await rename(temporary, path.join(this.#folder(jobId), name))
        await sync(this.#folder(jobId))
        await sync(this.#dir)
      })
      return received
    } finally {
      await rm(temporary, { force: true })
    }
  }

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

  /** @throws {AppError} `not_found` */
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

  /** @returns the bytes freed. */
  async remove(jobId: string): Promise<number> {
    return await this.#turns.take(jobId, async () => {
      const size = await this.size(jobId)
      await rm(this.#folder(jobId), { recursive: true, force: true })
      return size
    })
  }

  path(jobId: string): string {
    return path.join(this.#dir, jobId)
  }

  async size(jobId: string): Promise<number> {
    return (await this.list(jobId)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).filter((name) => !name.startsWith('.'))
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
  throw invalid(msg, ['path', 'name'])
}

function factsOf(name: string, sizeBytes: number): Artifact {
  const extension = path.extname(name).toLowerCase()
  const contentType = Object.hasOwn(CONTENT_TYPES, extension)
    ? CONTENT_TYPES[extension]!
    : 'application/octet-stream'
  return { name, sizeBytes, contentType }
}
