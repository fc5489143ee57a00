import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../shared/start-child.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { holdGroup, signalGroup } from '../../shared/process-group.ts'
import { oneLine } from '../../shared/render.ts'
import { Tail } from './run-child.ts'
import { childEnv } from '../../shared/child-env.ts'
import { IdleTimeout, IDLE_MS } from './idle-timeout.ts'

/** What a forked script says, by IPC (see answer-parent.ts). */
export type FromChild =
  | { type: 'progress'; seconds: number }
  | { type: 'done'; answer: unknown }
  | { type: 'failed'; code: ErrorCode; message: string }

export interface AskOptions {
  signal: AbortSignal
  /** Seconds of the recording that are done. */
  onProgress?: ((seconds: number) => void) | undefined
  /** How long it may say nothing. */
  idleMs?: number
}

/**
 * A script of ours in a process of its own, asked one thing at a time, and ended when that fails: a native library may
 * end its process, and must not end the agent. The script calls `answerParent`.
 */
export class ForkedChild {
  readonly #child
  readonly #name: string
  readonly #stderr = new Tail()
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<void>
  #ending: string | null = null

  /** `name` is what its errors call it: `the voice detector`. */
  constructor(script: URL, name: string) {
    this.#name = name
    this.#child = start(fileURLToPath(script))
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

  /** Ends the process at once: it holds nothing that has to be saved. */
  async kill(): Promise<void> {
    signalGroup(this.#child.pid, 'SIGKILL')
    await this.ended
  }

  /**
   * The script's answer, which is of the type that this script gives to such a question.
   * @throws {AppError} the script's own, and `engine_failed` when it crashed or said nothing for too long; the signal's reason when aborted. The
   * process is gone after each of them.
   */
  async ask<Answer>(question: object, options: AskOptions): Promise<Answer> {
    const { onProgress, idleMs = IDLE_MS } = options
    const idle = new IdleTimeout(idleMs, sentence(this.#name))
    const signal = AbortSignal.any([options.signal, idle.signal])
    let listen = (_message: unknown): void => undefined
    const heard = new Promise<FromChild>((resolve, reject) => {
      listen = (message) => {
        const said = message as FromChild
        if (said.type !== 'progress') return resolve(said)
        idle.reset()
        try {
          onProgress?.(said.seconds)
        } catch (error) {
          // Thrown on from here it would end the agent.
          reject(error as Error)
        }
      }
    })
    const stop = (): void => signalGroup(this.#child.pid, 'SIGKILL')
    signal.addEventListener('abort', stop, { once: true })
    this.#child.on('message', listen)
    try {
      signal.throwIfAborted()
      // When it is gone already, sending fails, and that it is gone says so below.
      this.#child.send(question, () => undefined)
      const said = await Promise.race([heard, this.ended])
      signal.throwIfAborted()
      if (said?.type === 'failed') {
        throw new AppError(said.code, `${sentence(this.#name)} failed: ${said.message}`)
      }
      if (said?.type !== 'done') throw this.#crash()
      return said.answer as Answer
    } catch (error) {
      await this.kill()
      throw error
    } finally {
      idle.end()
      signal.removeEventListener('abort', stop)
      this.#child.off('message', listen)
    }
  }

  #crash(): AppError {
    const last = oneLine(this.#stderr.text().trim().split('\n').at(-1) ?? '').slice(0, 200)
    const why = last === '' ? '' : `: ${last.replace(/[.]+$/, '')}`
    return new AppError(
      'engine_failed',
      `The process of ${this.#name} ended (${this.#ending})${why}.`,
    )
  }
}

/** One question to a process that is made for it and ends after it. Arguments and errors as those of `ForkedChild`. */
export async function askOnce<Answer>(
  script: URL,
  name: string,
  question: object,
  options: AskOptions,
): Promise<Answer> {
  options.signal.throwIfAborted()
  const child = new ForkedChild(script, name)
  try {
    return await child.ask<Answer>(question, options)
  } finally {
    await child.kill()
  }
}

/** The script `name` beside the module `base` (its `import.meta.url`): TypeScript in a checkout, JavaScript when built. */
export function scriptBeside(base: string, name: string): URL {
  return new URL(`./${name}${path.extname(fileURLToPath(base))}`, base)
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function start(script: string) {
  // From a checkout it is TypeScript that runs; from the package JavaScript, with no need of tsx.
  const loader = /\.m?ts$/.test(script) ? ['--import', import.meta.resolve('tsx')] : []
  return startChild(process.execPath, [...loader, script], {
    ipc: true,
    env: childEnv(),
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    // A terminal's Ctrl-C is not for it: a drain lets it finish.
    detached: true,
  })
}
