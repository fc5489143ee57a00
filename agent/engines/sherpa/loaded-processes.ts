import { whileQuiet } from '../../progress/expected-silence.ts'
import { Closing, unlessAborted } from '../closing.ts'

/** A process that loads a model's files and then recognises. */
export interface LoadingProcess<Files> {
  readonly isAlive: boolean
  readonly ended: Promise<void>
  load(files: Files, signal: AbortSignal): Promise<void>
  kill(): Promise<void>
}

/** Processes with a model loaded, kept for the next recording. */
export class LoadedProcesses<Files, P extends LoadingProcess<Files>> {
  readonly #locate: (signal: AbortSignal) => Promise<Files>
  readonly #start: () => P
  readonly #all = new Set<P>()
  readonly #idle = new Set<P>()
  /** Located once; again after a process could not load them. */
  #files: Promise<Files> | null = null
  readonly #closing = new Closing()

  /** @param locate fetches the files when they are missing. */
  constructor(locate: (signal: AbortSignal) => Promise<Files>, start: () => P) {
    this.#locate = locate
    this.#start = start
  }

  /**
   * Runs `work` in a process with the model loaded.
   * @param work its signal is aborted with `signal`, and when the processes are closed.
   * @throws as `load`, `locate` and `work`.
   */
  async use<T>(
    signal: AbortSignal,
    work: (process: P, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const both = AbortSignal.any([signal, this.#closing.signal])
    const process = await this.#take(both)
    const result = await work(process, both)
    if (process.isAlive) this.#idle.add(process)
    return result
  }

  /** Ends all processes. */
  async close(): Promise<void> {
    this.#closing.close()
    this.#files = null
    this.#idle.clear()
    await Promise.all([...this.#all].map((process) => process.kill()))
  }

  async #take(signal: AbortSignal): Promise<P> {
    signal.throwIfAborted()
    for (const process of this.#idle) {
      this.#idle.delete(process)
      if (process.isAlive) return process
    }
    const files = await whileQuiet(unlessAborted(this.#located(), signal))
    const process = this.#start()
    this.#all.add(process)
    void process.ended.then(() => this.#all.delete(process))
    try {
      await process.load(files, signal)
      return process
    } catch (error) {
      this.#files = null
      throw error
    }
  }

  /** One search or download, shared by all callers. Only `close` ends it. */
  #located(): Promise<Files> {
    if (this.#files === null) {
      const files = this.#locate(this.#closing.signal)
      files.catch(() => {
        if (this.#files === files) this.#files = null
      })
      this.#files = files
    }
    return this.#files
  }
}
