import { readdir, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { hostname } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { formatDuration, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { visitLock } from '../../shared/lock.ts'
import { printable } from '../../shared/printable.ts'
import type { Waiting } from './staging.ts'

export interface StagingPatience {
  /** When to report the wait, and again after ten times as long; default: half a minute. */
  sayMs?: number
  /** The longest time without progress; default: no limit. */
  giveUpMs?: number
}

export class HeldElsewhere extends AppError {
  constructor(message: string) {
    super('model_missing', message)
  }
}

export class Others {
  readonly #folder: string
  readonly #waiting: Waiting
  readonly #sayMs: number
  readonly #giveUpMs: number
  #since: number | null = null
  #movedAt = 0
  #state = ''
  #sayAt = 0

  constructor(folder: string, waiting: Waiting) {
    this.#folder = folder
    this.#waiting = waiting
    this.#sayMs = waiting.patience?.sayMs ?? MINUTE / 2
    this.#giveUpMs = waiting.patience?.giveUpMs ?? Infinity
  }

  /**
   * Call it each time the folder is found locked.
   * @throws {HeldElsewhere} after too long without progress.
   */
  async wait(): Promise<void> {
    const { doing, onProgress } = this.#waiting
    const now = performance.now()
    if (this.#since === null) {
      this.#since = this.#movedAt = now
      this.#sayAt = now + this.#sayMs
      onProgress?.(`Another process is ${doing}: waiting for it`)
    }
    const state = await stateOf(this.#folder)
    if (state !== this.#state) this.#movedAt = now
    this.#state = state
    const still = now - this.#movedAt
    if (still >= this.#giveUpMs) {
      const message = `${await ownerOf(this.#folder)} is ${doing}, and has made no progress for ${formatDuration(still)}: check that process, or end it.`
      throw new HeldElsewhere(message)
    }
    if (now < this.#sayAt) return
    this.#sayAt = now + 10 * this.#sayMs
    const waited = `waiting for ${formatDuration(now - this.#since)}`
    const quiet =
      still >= 10 * SECOND ? `, which has made no progress for ${formatDuration(still)}` : ''
    onProgress?.(`${waited} for ${await ownerOf(this.#folder)}, which is ${doing}${quiet}`)
  }
}

/** Changes with any file. */
async function stateOf(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const files = names.filter((name) => !path.basename(name).startsWith('lock'))
  const states = await Promise.all(
    files.map(async (name) => {
      const found = await stat(path.join(folder, name)).catch(() => null)
      return `${name} ${found?.size ?? ''} ${found?.mtimeMs ?? ''}`
    }),
  )
  return states.toSorted().join('\n')
}

/** A live process answers at once; a stopped one never does. */
const ANSWER_MS = 1_000

export function tellOwner(socket: Socket): void {
  socket.end(`process ${process.pid} on ${hostname()}`)
}

/** The process that has the lock of a folder, in words for a sentence. */
async function ownerOf(folder: string): Promise<string> {
  const socket = await visitLock(folder).catch(() => null)
  if (socket === null) return 'another process'
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('it does not answer')))
  const said = await text(socket).catch(() => null)
  if (said === null) return 'another process, which does not answer,'
  return printable(said, { most: 200 }) || 'another process'
}
