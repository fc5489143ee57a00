import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { AppError } from '../../shared/errors.ts'
import { oneLine } from '../../shared/render.ts'
import { holdGroup, killGroup, Tail } from '../child.ts'
import { childEnv } from '../paths.ts'
import type { Span } from '../speech/span.ts'
import type { FromChild, ToChild } from './moonshine-child.ts'
import type { MoonshineFiles } from './moonshine-recognizer.ts'

type Answer<T extends FromChild['type']> = Extract<FromChild, { type: T }>

/** A running `moonshine-child`: asked one thing at a time, and ended when that fails. */
export class MoonshineProcess {
  readonly #child = start()
  readonly #stderr = new Tail()
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<void>
  #ending: string | null = null

  constructor() {
    const release = this.#child.pid === undefined ? undefined : holdGroup(this.#child.pid)
    this.#child.stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk))
    this.ended = this.#child.then((result) => {
      release?.()
      const how = result.signal ?? result.exitCode
      this.#ending = how === undefined ? (result.shortMessage ?? 'not started') : String(how)
    })
  }

  get isAlive(): boolean {
    return this.#ending === null && this.#child.connected
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** @throws {AppError} `engine_failed`, `engine_missing`; the signal's reason when aborted. */
  async load(files: MoonshineFiles, signal: AbortSignal): Promise<void> {
    await this.#ask({ type: 'load', files }, 'ready', signal)
  }

  /** @throws {AppError} `engine_failed`, `invalid_media`; the signal's reason when aborted, with the process gone. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    signal: AbortSignal,
    onProgress: (seconds: number) => void,
  ): Promise<Answer<'done'>> {
    return await this.#ask({ type: 'transcribe', wavPath, speech }, 'done', signal, onProgress)
  }

  /** Ends the process at once: it holds nothing that has to be saved. */
  async kill(): Promise<void> {
    killGroup(this.#child.pid, 'SIGKILL')
    await this.ended
  }

  async #ask<T extends 'ready' | 'done'>(
    question: ToChild,
    expected: T,
    signal: AbortSignal,
    onProgress?: (seconds: number) => void,
  ): Promise<Answer<T>> {
    signal.throwIfAborted()
    const stop = (): void => killGroup(this.#child.pid, 'SIGKILL')
    signal.addEventListener('abort', stop, { once: true })
    let listen = (_message: unknown): void => undefined
    const heard = new Promise<FromChild>((resolve) => {
      listen = (message) => {
        const answer = message as FromChild
        if (answer.type === 'progress') onProgress?.(answer.seconds)
        else resolve(answer)
      }
    })
    this.#child.on('message', listen)
    try {
      // When it is gone already, sending fails, and that it is gone says so below.
      this.#child.send(question, () => undefined)
      const answer = await Promise.race([heard, this.ended])
      signal.throwIfAborted()
      if (answer?.type === 'failed') {
        throw new AppError(answer.code, `The engine moonshine failed: ${answer.message}`)
      }
      if (answer?.type !== expected) throw this.#crash()
      return answer as Answer<T>
    } catch (error) {
      await this.kill()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
      this.#child.off('message', listen)
    }
  }

  #crash(): AppError {
    const last = oneLine(this.#stderr.text().trim().split('\n').at(-1) ?? '').slice(0, 200)
    const why = last === '' ? '' : `: ${last.replace(/[.]+$/, '')}`
    return new AppError(
      'engine_failed',
      `The process of the engine moonshine ended (${this.#ending})${why}.`,
    )
  }
}

function start() {
  const extension = path.extname(fileURLToPath(import.meta.url))
  const script = fileURLToPath(new URL(`./moonshine-child${extension}`, import.meta.url))
  // From a checkout it is TypeScript that runs; from the package JavaScript, with no need of tsx.
  const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : []
  return execa(process.execPath, [...loader, script], {
    ipc: true,
    env: childEnv(),
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    reject: false,
    // A terminal's Ctrl-C is not for it: a drain lets it finish.
    detached: true,
  })
}
