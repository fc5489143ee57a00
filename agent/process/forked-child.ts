import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../shared/start-child.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { holdGroup, signalGroup } from '../../shared/process-group.ts'
import { oneLine } from '../../shared/render.ts'
import { Tail } from '../../shared/run-program.ts'
import { childEnv } from '../../shared/child-env.ts'
import { IdleTimeout, IDLE_MS } from './idle-timeout.ts'

export type FromChild =
  | { type: 'progress'; seconds: number; part?: unknown }
  | { type: 'done'; answer: unknown }
  | { type: 'failed'; code: ErrorCode; message: string }

export interface AskOptions {
  signal: AbortSignal
  /** @param seconds of the recording. @param part of the answer, from scripts that send it in parts. */
  onProgress?: ((seconds: number, part?: unknown) => void) | undefined
  idleMs?: number
}

/** A child that ended without an answer. */
export class ChildCrash extends AppError {
  constructor(message: string) {
    super('engine_failed', message)
  }
}

/**
 * A script in a process of its own: a native library may crash it, and must not end the agent. It answers one question
 * at a time with `answerParent`, and is ended by a failure.
 */
export class ForkedChild {
  readonly #child
  readonly #name: string
  readonly #stderr = new Tail()
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
  #ending: string | null = null

  /**
   * @param name for errors: `the voice detector`.
   * @param env beside the allow-listed environment.
   */
  constructor(script: URL, name: string, env: Readonly<Record<string, string>> = {}) {
    this.#name = name
    this.#child = start(fileURLToPath(script), env)
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

  /** Ends the process at once: it holds no data. */
  async kill(): Promise<void> {
    signalGroup(this.#child.pid, 'SIGKILL')
    await this.ended
  }

  /**
   * @returns the script's answer to such a question.
   * @throws {AppError} the script's own; `engine_failed` when it crashed or sent nothing for too long; the signal's
   * reason when aborted. The process is gone then.
   */
  async ask<Answer>(question: object, options: AskOptions): Promise<Answer> {
    const { onProgress, idleMs = IDLE_MS } = options
    const idle = new IdleTimeout(idleMs, sentence(this.#name))
    const signal = AbortSignal.any([options.signal, idle.signal])
    let listen = (_message: unknown): void => undefined
    const answered = new Promise<FromChild>((resolve, reject) => {
      listen = (message) => {
        const received = message as FromChild
        if (received.type !== 'progress') return resolve(received)
        idle.reset()
        try {
          onProgress?.(received.seconds, received.part)
        } catch (error) {
          // An error thrown by a listener would end the agent.
          reject(error as Error)
        }
      }
    })
    const stop = (): void => signalGroup(this.#child.pid, 'SIGKILL')
    signal.addEventListener('abort', stop, { once: true })
    this.#child.on('message', listen)
    try {
      signal.throwIfAborted()
      // Sending to a process that is gone fails; `ended` reports it.
      this.#child.send(question, () => undefined)
      const answer = await Promise.race([answered, this.ended])
      signal.throwIfAborted()
      if (answer?.type === 'failed') {
        throw new AppError(answer.code, `${sentence(this.#name)} failed: ${answer.message}`)
      }
      if (answer?.type !== 'done') throw this.#crash()
      return answer.answer as Answer
    } catch (error) {
      await this.kill()
      throw error
    } finally {
      idle.end()
      signal.removeEventListener('abort', stop)
      this.#child.off('message', listen)
    }
  }

  #crash(): ChildCrash {
    const last = oneLine(this.#stderr.text().trim().split('\n').at(-1) ?? '').slice(0, 200)
    const why = last === '' ? '' : `: ${last.replace(/[.]+$/, '')}`
    return new ChildCrash(`The process of ${this.#name} ended (${this.#ending})${why}.`)
  }
}

/** Asks one question of a process started for it. Arguments and errors as those of `ForkedChild`. */
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

/**
 * @param base the module beside the script, by its `import.meta.url`. It is TypeScript in a checkout, JavaScript when
 * built.
 */
export function scriptBeside(base: string, name: string): URL {
  return new URL(`./${name}${path.extname(fileURLToPath(base))}`, base)
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function start(script: string, env: Readonly<Record<string, string>>) {
  // The package's JavaScript needs no tsx.
  const loader = /\.m?ts$/.test(script) ? ['--import', import.meta.resolve('tsx')] : []
  return startChild(process.execPath, [...loader, script], {
    ipc: true,
    env: childEnv(env),
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    // Ctrl-C in a terminal must not reach it: a drain lets it finish.
    detached: true,
  })
}
