import { MINUTE } from '../../shared/duration.ts'
import { AppError, isRetryable, type ErrorCode } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import { transcribeFile, type BatchOptions } from './batch.ts'
import type { DoneFiles } from './done-files.ts'
import type { MediaFile } from './media-files.ts'
import { versionOf } from './watched-folder.ts'

/** A file that could not be transcribed, for a reason that may pass, is tried again: so often, after so long. */
const MOST_TRIES = 3
const RETRY_MS = 5 * MINUTE
/** No file can be transcribed. */
const ENDING: readonly ErrorCode[] = ['unauthorized', 'forbidden']
/** The file cannot be read now. */
const OF_THE_PLACE: readonly ErrorCode[] = ['usage', 'source_missing']

/** Recordings that wait, each transcribed once per version. */
export class WatchQueue {
  readonly #done: DoneFiles
  readonly #batch: BatchOptions
  readonly #waiting = new Map<string, MediaFile>()
  readonly #running = new Map<string, Promise<void>>()
  /** Failures by file and version. */
  readonly #tries = new Map<string, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #isOver = false
  readonly #ended: Promise<void>
  #end: (error?: unknown) => void = () => undefined

  constructor(done: DoneFiles, batch: BatchOptions) {
    this.#done = done
    this.#batch = batch
    this.#ended = new Promise((resolve, reject) => {
      this.#end = (error) => {
        this.#isOver = true
        return error === undefined ? resolve() : reject(error as Error)
      }
    })
    // It may end before `run` waits for it.
    this.#ended.catch(() => undefined)
    batch.signal.addEventListener('abort', () => this.#end(), { once: true })
    if (batch.signal.aborted) this.#end()
  }

  add(file: MediaFile): void {
    if (this.#isOver) return
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
      if (this.#isOver || this.#running.size >= this.#batch.transcriber.atOnce) return
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
    const key = JSON.stringify([file.name, version])
    const tries = (this.#tries.get(key) ?? 0) + 1
    if (tries > MOST_TRIES) return
    const outcome = await transcribeFile(file, this.#batch)
    if (outcome.status !== 'failed') return await this.#done.add(file.name, version)
    const { error } = outcome
    if (isOneOf(ENDING, error)) throw error
    const { reporter } = this.#batch
    if (!isRetryable(error) && !isOneOf(OF_THE_PLACE, error)) {
      reporter.event('warn', `${file.name}: left out until it changes`)
      return await this.#done.add(file.name, version)
    }
    this.#tries.set(key, tries)
    if (tries < MOST_TRIES) return this.#tryLater(file)
    reporter.event('warn', `${file.name}: left out until it changes or the watch starts again`)
  }

  #tryLater(file: MediaFile): void {
    if (this.#isOver) return
    const timer = startTimer(() => {
      this.#timers.delete(timer)
      this.add(file)
    }, RETRY_MS)
    this.#timers.add(timer)
  }
}

function isOneOf(codes: readonly ErrorCode[], error: unknown): boolean {
  return error instanceof AppError && codes.includes(error.code)
}
