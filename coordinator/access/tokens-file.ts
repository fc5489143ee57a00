import { readFileSync, statSync } from 'node:fs'
import { chown, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { OnceATurn } from '../../shared/once-a-turn.ts'
import { printable } from '../../shared/printable.ts'
import { delay } from '../../shared/timers.ts'
import { makeFolder } from '../storage/private-folder.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { formatTokens, parseTokens, type Records } from './token-record.ts'
import type { TokenStore } from './token-store.ts'

/** How long a change waits for another process. */
const PATIENCE_MS = 10 * SECOND
const RETRY_MS = 20

const storedUses = z.record(z.string(), z.iso.datetime())

/**
 * `tokens.json` in the data folder (mode 0600). The coordinator and the command line both change it, under a lock and as a
 * whole. When each was last used is in `token-use.json`, which the coordinator alone writes.
 */
export class TokensFile implements TokenStore {
  readonly #dir: string
  readonly #file: string
  readonly #current = new OnceATurn(() => this.#currentVersion())
  #version = 'unread'
  /** When each was last used, once that has been saved. */
  #uses: Map<string, number> | null = null
  #found: Records | AppError = []

  constructor(dataDir: string) {
    this.#dir = dataDir
    this.#file = path.join(dataDir, 'tokens.json')
  }

  get place(): string {
    return this.#dir
  }

  /** The file is read only when it has changed. @throws {AppError} `unavailable` for an unreadable or damaged file. */
  get(): Records {
    const version = this.#current.get()
    if (version !== this.#version) {
      this.#found = version === 'none' ? this.#missing() : this.#read()
      // A system error may pass without a change of the file.
      const { cause } = this.#found instanceof AppError ? this.#found : {}
      this.#version = cause instanceof Error && 'syscall' in cause ? 'failed' : version
    }
    if (this.#found instanceof AppError) throw this.#found
    return this.#found
  }

  async change(change: (tokens: Records) => Records): Promise<Records> {
    const lock = await this.#lock()
    try {
      this.#current.forget()
      const after = change(this.get())
      await this.#write(formatTokens(after))
      this.#found = after
      this.#current.forget()
      this.#version = this.#current.get()
      return after
    } finally {
      await lock.release()
    }
  }

  async uses(): Promise<Map<string, number>> {
    try {
      const uses = storedUses.parse(JSON.parse(readFileSync(this.#usesFile, 'utf8')))
      return new Map(Object.entries(uses).map(([id, at]) => [id, Date.parse(at)]))
    } catch (error) {
      // For display only: a damaged file is replaced.
      const isOurs = isSystemError(error, 'ENOENT') || !isSystemError(error, 'EACCES', 'EIO')
      if (isOurs) return new Map()
      throw error
    }
  }

  async saveUses(uses: ReadonlyMap<string, number>): Promise<void> {
    this.#uses ??= await this.uses()
    for (const [id, at] of uses) this.#uses.set(id, Math.max(at, this.#uses.get(id) ?? 0))
    const all = [...this.#uses].map(([id, at]) => [id, new Date(at).toISOString()])
    const text = JSON.stringify(Object.fromEntries(all))
    await replaceFile(this.#usesFile, text, { isDurable: false })
  }

  async close(): Promise<void> {
    // Nothing is open between two calls.
  }

  get #usesFile(): string {
    return path.join(this.#dir, 'token-use.json')
  }

  /** By inode, size and times; the ctime also shows a change of owner or mode. */
  #currentVersion(): string {
    const found = statSync(this.#file, { bigint: true, throwIfNoEntry: false })
    if (found === undefined) return 'none'
    const { ino, size, mtimeNs, ctimeNs } = found
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  }

  /** No file means no tokens only if there was none before. */
  #missing(): Records | AppError {
    if (this.#version === 'unread') return []
    const message = `The tokens in ${this.#file} are gone: put a backup in its place, or restart the coordinator to begin without them.`
    return new AppError('unavailable', message)
  }

  #read(): Records | AppError {
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
    try {
      const prepare = async (temporary: string): Promise<void> => await this.#giveToOwner(temporary)
      await replaceFile(this.#file, text, { prepare })
    } catch (error) {
      if (!isDiskFull(error) && !isSystemError(error, 'EROFS', 'EACCES')) throw error
      const message = `The tokens cannot be written to ${this.#file} (${messageOf(error)}).`
      throw new AppError('unavailable', message, { cause: error })
    }
  }

  /** The coordinator, which runs as the data folder's owner, must be able to read what root writes. */
  async #giveToOwner(file: string): Promise<void> {
    if (process.geteuid?.() !== 0) return
    const { uid, gid } = await stat(this.#dir)
    await chown(file, uid, gid)
  }
}
