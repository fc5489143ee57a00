import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../../shared/start-child.ts'
import { AppError } from '../../../shared/errors.ts'
import { holdGroup, signalGroup } from '../../../shared/process-group.ts'
import { delay, startTimer, timeoutSignal } from '../../../shared/timers.ts'
import { Tail } from '../../../shared/run-program.ts'
import { childEnv } from '../../../shared/child-env.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { scriptBeside } from '../../process/forked-child.ts'
import type { Outcome } from '../cli-program.ts'
import { freePort } from './free-port.ts'
import { lastLine } from '../program-failure.ts'
import type { Guarded } from './resident-guard.ts'

export interface ResidentPlan {
  /** For sentences: `whisper-server`. */
  name: string
  file: string
  args: (port: number) => string[]
  env: Record<string, string>
  /** Whether it has loaded its model and answers. An error ends the start. */
  isReady(port: number, signal: AbortSignal): Promise<boolean>
  /** The error that its end means; null when unknown. */
  classify(outcome: Outcome): AppError | null
  startMs?: number
}

/** A large model on a slow disk. */
const START_MS = 5 * 60_000
/** How long the guard has to end the program. */
const UNHEARD_MS = 1_000
const TAKEN = /address already in use|EADDRINUSE|couldn't bind|failed to bind/i

/** A server on 127.0.0.1, kept between pieces, ended with its whole process group. */
export class Resident {
  readonly port: number
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>
  readonly #plan: ResidentPlan
  readonly #child
  readonly #stdout = new Tail()
  readonly #stderr = new Tail()
  readonly #listeners = new Set<(line: string) => void>()
  startText = ''
  #end: { exitCode: number | null; signal: string | null } | null = null

  private constructor(plan: ResidentPlan, port: number) {
    this.port = port
    this.#plan = plan
    this.#child = start(plan, port)
    const { pid, stdout, stderr } = this.#child
    const release = pid === undefined ? undefined : holdGroup(pid)
    stdout.on('data', (chunk: Buffer) => this.#stdout.push(chunk))
    stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk))
    createInterface({ input: stderr, crlfDelay: Infinity }).on('line', (line) => {
      for (const listener of this.#listeners) listener(line)
    })
    // Its children would hold its output open, and go on serving.
    this.#child.on('exit', () => signalGroup(pid, 'SIGKILL'))
    this.ended = this.#child.then((result) => {
      release?.()
      this.#end = { exitCode: result.exitCode ?? null, signal: result.signal ?? null }
    })
  }

  /**
   * Starts a server and waits until it is ready.
   * @throws {AppError} as its plan classifies its end, else `engine_failed` with its last line; the plan's own errors;
   * the signal's reason when aborted. The process is gone then.
   */
  static async start(plan: ResidentPlan, signal: AbortSignal): Promise<Resident> {
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted()
      const resident = new Resident(plan, await freePort())
      try {
        // The start has its own time limit.
        await whileQuiet(resident.#becomeReady(signal))
        resident.startText = resident.#stderr.text()
        return resident
      } catch (error) {
        const taken = !resident.isAlive && TAKEN.test(resident.#stderr.text())
        await resident.kill()
        // Another process took the port before the server did.
        if (!taken || tries === 3) throw error
      }
    }
  }

  get name(): string {
    return this.#plan.name
  }

  get isAlive(): boolean {
    return this.#end === null && this.#child.connected
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The exit code is 0 while it runs. */
  get outcome(): Outcome {
    const { exitCode, signal } = this.#end ?? { exitCode: 0, signal: null }
    return { exitCode, signal, stdout: this.#stdout.text(), stderr: this.#stderr.text() }
  }

  /** Calls back for each line of its standard error. @returns the function that ends this. */
  listen(onLine: (line: string) => void): () => void {
    this.#listeners.add(onLine)
    return () => this.#listeners.delete(onLine)
  }

  /** Ends it at once: it holds no data. */
  async kill(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const timer = startTimer(() => signalGroup(this.#child.pid, 'SIGKILL'), UNHEARD_MS)
    await this.ended
    clearTimeout(timer)
  }

  failure(): AppError {
    const { outcome } = this
    const known = this.#plan.classify(outcome)
    if (known !== null) return known
    const last = lastLine(outcome.stderr)
    const how = outcome.signal ?? `code ${outcome.exitCode}`
    return new AppError(
      'engine_failed',
      `${this.#plan.name} ended (${how})${last === '' ? '' : `: ${last}`}.`,
    )
  }

  async #becomeReady(signal: AbortSignal): Promise<void> {
    const limitMs = this.#plan.startMs ?? START_MS
    const patience = timeoutSignal(limitMs)
    for (let pauseMs = 25; ; pauseMs = Math.min(500, pauseMs * 1.5)) {
      if (await this.#isReady(signal, patience)) return
      signal.throwIfAborted()
      if (!this.isAlive) {
        await this.ended
        throw this.failure()
      }
      if (patience.aborted) {
        const last = lastLine(this.#stderr.text())
        throw new AppError(
          'engine_failed',
          `${this.#plan.name} was not ready after ${Math.round(limitMs / 1000)} seconds${last === '' ? '' : `: ${last}`}.`,
        )
      }
      await Promise.race([this.ended, delay(pauseMs)])
    }
  }

  async #isReady(signal: AbortSignal, patience: AbortSignal): Promise<boolean> {
    try {
      // Another server that took the port would answer too.
      return (
        (await this.#plan.isReady(this.port, AbortSignal.any([signal, patience]))) && this.isAlive
      )
    } catch (error) {
      if (signal.aborted || patience.aborted) return false
      throw error
    }
  }
}

function start({ file, args, env }: ResidentPlan, port: number) {
  const script = fileURLToPath(scriptBeside(import.meta.url, 'resident-guard'))
  // TypeScript in a checkout, JavaScript when built.
  const loader = script.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : []
  const guarded: Guarded = [file, ...args(port)]
  return startChild(process.execPath, [...loader, script, ...guarded], {
    // Its end tells the guard that the agent is gone.
    ipc: true,
    env: childEnv(env),
    stdin: 'ignore',
    buffer: false,
    // Ctrl-C in a terminal must not reach it: a drain lets it finish.
    detached: true,
  })
}
