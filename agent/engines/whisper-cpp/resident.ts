import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../../shared/start-child.ts'
import { AppError } from '../../../shared/errors.ts'
import { holdGroup, signalGroup } from '../../../shared/process-group.ts'
import { delay, startTimer, timeoutSignal } from '../../../shared/timers.ts'
import { Tail } from '../../process/run-child.ts'
import { childEnv } from '../../../shared/child-env.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { scriptBeside } from '../../process/forked-child.ts'
import type { Outcome } from '../cli-program.ts'
import { freePort } from './free-port.ts'
import { lastLine } from '../program-failure.ts'
import type { Guarded } from './resident-guard.ts'

/** A program that serves HTTP on 127.0.0.1. */
export interface ResidentPlan {
  /** For sentences: `whisper-server`. */
  name: string
  file: string
  args: (port: number) => string[]
  /** Beside the allow-listed environment. */
  env: Record<string, string>
  /** Whether it has loaded what it needs and answers; false while nobody listens. What it throws ends the start. */
  isReady(port: number, signal: AbortSignal): Promise<boolean>
  /** What it means that it ended; null when nothing is known of that. */
  classify(outcome: Outcome): AppError | null
  /** How long it may take to be ready. */
  startMs?: number
}

/** A large model from a slow disk takes its time. */
const START_MS = 5 * 60_000
/** How long the guard has to end what it guards, until we do. */
const UNHEARD_MS = 1_000
const TAKEN = /address already in use|EADDRINUSE|couldn't bind|failed to bind/i

/** A running server: one per slot, kept between pieces, ended with its whole process group. */
export class Resident {
  readonly port: number
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<void>
  readonly #plan: ResidentPlan
  readonly #child
  readonly #stdout = new Tail()
  readonly #stderr = new Tail()
  readonly #listeners = new Set<(line: string) => void>()
  /** What its standard error held when it was ready. */
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
    // Whatever it left running would hold its output open, and go on serving.
    this.#child.on('exit', () => signalGroup(pid, 'SIGKILL'))
    this.ended = this.#child.then((result) => {
      release?.()
      this.#end = { exitCode: result.exitCode ?? null, signal: result.signal ?? null }
    })
  }

  /**
   * Starts it, and waits until it is ready.
   * @throws {AppError} what its plan makes of its end, else `engine_failed` with its last words; what its plan throws; the
   * signal's reason when aborted. The process is gone then.
   */
  static async start(plan: ResidentPlan, signal: AbortSignal): Promise<Resident> {
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted()
      const resident = new Resident(plan, await freePort())
      try {
        // Its own patience ends it.
        await whileQuiet(resident.#becomeReady(signal))
        resident.startText = resident.#stderr.text()
        return resident
      } catch (error) {
        const taken = !resident.isAlive && TAKEN.test(resident.#stderr.text())
        await resident.kill()
        // Between our look and its own, somebody else took the port.
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

  /** How it ended, and the last it said; the exit code is 0 as long as it runs. */
  get outcome(): Outcome {
    const { exitCode, signal } = this.#end ?? { exitCode: 0, signal: null }
    return { exitCode, signal, stdout: this.#stdout.text(), stderr: this.#stderr.text() }
  }

  /** Calls back for each line of its standard error, until the function that is returned is called. */
  listen(onLine: (line: string) => void): () => void {
    this.#listeners.add(onLine)
    return () => this.#listeners.delete(onLine)
  }

  /** Ends it at once: it holds nothing that has to be saved. */
  async kill(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const timer = startTimer(() => signalGroup(this.#child.pid, 'SIGKILL'), UNHEARD_MS)
    await this.ended
    clearTimeout(timer)
  }

  /** Why it is gone. */
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
      // A server of somebody else that took the port would answer as well, so ours has to be there still.
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
  // From a checkout it is TypeScript that runs; from the package JavaScript, with no need of tsx.
  const loader = script.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : []
  const guarded: Guarded = [file, ...args(port)]
  return startChild(process.execPath, [...loader, script, ...guarded], {
    // Its end is what tells the guard that we are gone.
    ipc: true,
    env: childEnv(env),
    stdin: 'ignore',
    buffer: false,
    // A terminal's Ctrl-C is not for it: a drain lets it finish.
    detached: true,
  })
}
