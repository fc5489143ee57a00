import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { isSystemError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { replaceFile } from '../../shared/replace-file.ts'

const SAVE_MS = MINUTE

const file = z.record(z.string(), z.iso.datetime())

/**
 * When each token was last used: `token-use.json` in the data folder, written at most once a minute and on close.
 */
export class TokenUse {
  readonly #dir: string
  readonly #onError: (error: unknown) => void
  readonly #lastAt: Map<string, number>
  #timer: NodeJS.Timeout | null = null
  #saving: Promise<void> = Promise.resolve()

  constructor(dataDir: string, onError: (error: unknown) => void) {
    this.#dir = dataDir
    this.#onError = onError
    this.#lastAt = readTokenUse(dataDir)
  }

  note(tokenId: string, now: number): void {
    this.#lastAt.set(tokenId, now)
    this.#timer ??= startTimer(() => {
      this.#timer = null
      void this.#save()
    }, SAVE_MS).unref()
  }

  async close(): Promise<void> {
    if (this.#timer === null) return await this.#saving
    clearTimeout(this.#timer)
    this.#timer = null
    await this.#save()
  }

  async #save(): Promise<void> {
    const write = async (): Promise<void> => {
      const uses = [...this.#lastAt].map(([id, at]) => [id, new Date(at).toISOString()])
      const text = JSON.stringify(Object.fromEntries(uses))
      await replaceFile(fileIn(this.#dir), text, { isDurable: false }).catch(this.#onError)
    }
    this.#saving = this.#saving.then(write)
    await this.#saving
  }
}

/** When each token was last used, by id. */
export function readTokenUse(dataDir: string): Map<string, number> {
  try {
    const uses = file.parse(JSON.parse(readFileSync(fileIn(dataDir), 'utf8')))
    return new Map(Object.entries(uses).map(([id, at]) => [id, Date.parse(at)]))
  } catch (error) {
    // For display only: a damaged file is replaced.
    const isOurs = isSystemError(error, 'ENOENT') || !isSystemError(error, 'EACCES', 'EIO')
    if (isOurs) return new Map()
    throw error
  }
}

function fileIn(dataDir: string): string {
  return path.join(dataDir, 'token-use.json')
}
