import { MINUTE } from '../../shared/duration.ts'
import { AppError, isRetryable } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { transcribeFile, type BatchOptions } from './batch.ts'
import type { DoneFiles } from './done-files.ts'
import type { MediaFile } from './media-files.ts'
import { versionOf } from './watched-folder.ts'

/** A file that could not be transcribed, for a reason that may pass, is tried again: so often, after so long. */
const MOST_TRIES = 3
const RETRY_MS = 5 * MINUTE

/** Recordings that wait, each transcribed once per version. */
export class WatchQueue {
  readonly #done: DoneFiles
  readonly #batch: BatchOptions
  readonly #waiting = new Map<string, MediaFile>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #tries = new Map<string, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #ended: Promise<void>
  #end: (error?: unknown) => void = () => undefined

  constructor(done: DoneFiles, batch: BatchOptions) {
    this.#done = done
    this.#batch = batch
    this.#ended = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error as Error))
    })
    batch.signal.addEventListener('abort', () => this.#end(), { once: true })
  }

  add(file: MediaFile): void {
    this.#waiting.set(file.name, file)
    this.#pump()
  }

  /** Ends the watch. */
  fail(error: unknown): void {
    this.#end(error)
  }

  /** Resolves when nothing runs or waits to run. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  /** Resolves when it is stopped. @throws what ends the watch. */
  async run(): Promise<void> {
    try {
      await this.#ended
    } finally {
      for (const timer of this.#timers) clearTimeout(timer)
      this.#waiting.clear()
      await this.idle()
    }
  }

  #pump(): void {
    for (const [name, file] of this.#waiting) {
      if (this.#batch.signal.aborted || this.#running.size >= this.#batch.transcriber.atOnce) return
      if (this.#running.has(name)) continue
      this.#waiting.delete(name)
      const work = this.#transcribe(file)
        .catch((error: unknown) => {
          if (!this.#batch.signal.aborted) this.fail(error)
        })
        .finally(() => {
          this.#running.delete(name)
          this.#pump()
        })
      this.#running.set(name, work)
    }
  }

  async #transcribe(file: MediaFile): Promise<void> {
    const version = await versionOf(file.file)
    if (version === null || this.#done.has(file.name, version)) return
    const outcome = await transcribeFile(file, this.#batch)
    if (outcome.status === 'failed' && this.#mayTryAgain(file, outcome.error)) return
    this.#tries.delete(file.name)
    await this.#done.add(file.name, version)
  }

  /** @throws an error that is about the settings: no file can be transcribed. */
  #mayTryAgain(file: MediaFile, error: unknown): boolean {
    const { reporter } = this.#batch
    if (error instanceof AppError && ['usage', 'unauthorized', 'forbidden'].includes(error.code))
      throw error
    const tries = (this.#tries.get(file.name) ?? 0) + 1
    if (!isRetryable(error) || tries >= MOST_TRIES) {
      reporter.event('warn', `${file.name}: left out until it changes`)
      return false
    }
    this.#tries.set(file.name, tries)
    const timer = startTimer(() => {
      this.#timers.delete(timer)
      this.add(file)
    }, RETRY_MS)
    this.#timers.add(timer)
    return true
  }
}
