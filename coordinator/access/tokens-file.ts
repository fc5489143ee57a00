import { randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { chown, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { printable } from '../../shared/printable.ts'
import { delay } from '../../shared/timers.ts'
import { makeFolder } from '../storage/private-folder.ts'
import { syncDirectory } from '../storage/sync.ts'
import { formatTokens, parseTokens, type TokenRecord } from './token-record.ts'

/** How long a change waits for the change of another process. */
const PATIENCE_MS = 10 * SECOND
const RETRY_MS = 20

/**
 * `tokens.json` in the data folder (mode 0600). The coordinator and the command line both change it: each change is made
 * under a lock, over what the file holds by then, and is there whole or not at all.
 */
export class TokensFile {
  readonly #dir: string
  readonly #file: string
  #seen = 'never'
  #found: readonly TokenRecord[] | AppError = []

  constructor(dataDir: string) {
    this.#dir = dataDir
    this.#file = path.join(dataDir, 'tokens.json')
  }

  /**
   * The tokens as the file holds them now; it is read only when it has changed, so this may be asked for every request.
   * @throws {AppError} `unavailable` when it cannot be read, or is not what we write.
   */
  get(): readonly TokenRecord[] {
    const version = this.#version()
    if (version !== this.#seen) {
      this.#found = version === 'none' ? this.#missing() : this.#read()
      // What the system refuses it may allow the next time, with the file as it is.
      const { cause } = this.#found instanceof AppError ? this.#found : {}
      this.#seen = cause instanceof Error && 'syscall' in cause ? 'unread' : version
    }
    if (this.#found instanceof AppError) throw this.#found
    return this.#found
  }

  /** Changes the tokens; durable. @throws {AppError} `unavailable`, and what `change` throws. */
  async change(
    change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[],
  ): Promise<readonly TokenRecord[]> {
    const lock = await this.#lock()
    try {
      const after = change(this.get())
      await this.#write(formatTokens(after))
      return after
    } finally {
      await lock.release()
    }
  }

  /**
   * Another inode, size or time is another file: a change puts a new one in place of the old. The time of its change of
   * state is nobody's to set, and tells of another owner and mode, too.
   */
  #version(): string {
    const found = statSync(this.#file, { bigint: true, throwIfNoEntry: false })
    if (found === undefined) return 'none'
    const { ino, size, mtimeNs, ctimeNs } = found
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  }

  /** None is where none has been: one that was there is not given up for lost. */
  #missing(): readonly TokenRecord[] | AppError {
    if (this.#seen === 'never') return []
    const message = `The tokens in ${this.#file} are gone: put a backup in its place, or restart the coordinator to begin without them.`
    return new AppError('unavailable', message)
  }

  #read(): readonly TokenRecord[] | AppError {
    try {
      return parseTokens(readFileSync(this.#file, 'utf8'))
    } catch (error) {
      const why = printable(messageOf(error), { most: 200 })
      const message = `The tokens in ${this.#file} cannot be read (${why}): mend the file, or put a backup in its place.`
      return new AppError('unavailable', message, { cause: error })
    }
  }

  async #lock(): Promise<FolderLock> {
    const folder = `${this.#file}.lock`
    // The first token may come before the coordinator, which makes it no more open than so.
    makeFolder(folder)
    await this.#giveToOwner(folder)
    for (const until = performance.now() + PATIENCE_MS; ;) {
      const lock = await lockFolder(folder)
      if (lock !== null) return lock
      if (performance.now() > until) {
        throw new AppError('unavailable', `Another process holds ${folder}: try again.`)
      }
      await delay(RETRY_MS * (1 + Math.random()))
    }
  }

  async #write(text: string): Promise<void> {
    const temporary = `${this.#file}.${randomUUID()}.tmp`
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#giveToOwner(temporary)
      await rename(temporary, this.#file)
      await syncDirectory(this.#dir)
    } catch (error) {
      await rm(temporary, { force: true })
      if (!isDiskFull(error) && !isSystemError(error, 'EROFS', 'EACCES')) throw error
      const message = `The tokens cannot be written to ${this.#file} (${messageOf(error)}).`
      throw new AppError('unavailable', message, { cause: error })
    }
  }

  /** What an admin writes as root is still the coordinator's to read, which runs as the data folder's owner. */
  async #giveToOwner(file: string): Promise<void> {
    if (process.geteuid?.() !== 0) return
    const { uid, gid } = await stat(this.#dir)
    await chown(file, uid, gid)
  }
}
