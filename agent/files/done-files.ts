import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { isSystemError } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { replaceFile } from '../../shared/replace-file.ts'

/** As it was when it was transcribed. */
export interface Version {
  size: number
  mtimeMs: number
}

const stored = z.record(z.string(), z.object({ size: z.number(), mtimeMs: z.number() }))

/** Which versions of the files in a watched folder are done: survives restarts. One process at a time has it. */
export class DoneFiles {
  readonly #file: string
  readonly #lock: FolderLock
  #versions: Record<string, Version>
  #saving: Promise<void> = Promise.resolve()

  private constructor(file: string, lock: FolderLock, versions: Record<string, Version>) {
    this.#file = file
    this.#lock = lock
    this.#versions = versions
  }

  /** @param key what is done with which folder. @returns null when another process has it. */
  static async open(parent: string, key: string): Promise<DoneFiles | null> {
    const folder = path.join(parent, createHash('sha256').update(key).digest('hex').slice(0, 16))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const lock = await lockFolder(folder)
    if (lock === null) return null
    const file = path.join(folder, 'done.json')
    return new DoneFiles(file, lock, await read(file))
  }

  has(name: string, { size, mtimeMs }: Version): boolean {
    const known = this.#versions[name]
    return known !== undefined && known.size === size && known.mtimeMs === mtimeMs
  }

  /** Resolves when it is on the disk. */
  async add(name: string, { size, mtimeMs }: Version): Promise<void> {
    this.#versions[name] = { size, mtimeMs }
    await this.#save()
  }

  /** Of a file that is gone. */
  async remove(name: string): Promise<void> {
    if (!Object.hasOwn(this.#versions, name)) return
    delete this.#versions[name]
    await this.#save()
  }

  async close(): Promise<void> {
    await this.#saving
    await this.#lock.release()
  }

  async #save(): Promise<void> {
    const saved = this.#saving.then(
      async () => await replaceFile(this.#file, JSON.stringify(this.#versions)),
    )
    this.#saving = saved.catch(() => undefined)
    await saved
  }
}

/** Without a file, or with a damaged one, nothing is done yet. */
async function read(file: string): Promise<Record<string, Version>> {
  try {
    return Object.assign(
      Object.create(null),
      stored.parse(JSON.parse(await readFile(file, 'utf8'))),
    )
  } catch (error) {
    if (isSystemError(error) && !isSystemError(error, 'ENOENT')) throw error
    return Object.create(null) as Record<string, Version>
  }
}
