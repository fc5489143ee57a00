import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { runChild } from '../process/run-child.ts'
import { childEnv } from '../../shared/child-env.ts'
import { slotEnv, type Slot } from '../gpu/slots.ts'
import { Closing } from './closing.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from './cli-program.ts'
import type { EngineSettings } from './definition.ts'
import type {
  AudioPiece,
  CommandLine,
  Detected,
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  SpeechOptions,
  TranscribeRequest,
} from './engine.ts'
import { modelsFor } from './model-name.ts'
import { MemoryFallback, placeOf } from './out-of-memory.ts'
import { lastLine } from './program-failure.ts'
import { IdleTimeout, IDLE_MS } from '../process/idle-timeout.ts'
import { writtenFile } from './written-file.ts'

/** Runs one process per piece of audio. */
export class CliEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #program: CliProgram
  readonly #settings: EngineSettings
  readonly #models: readonly string[]
  readonly #idleMs: number
  readonly #fallback: MemoryFallback
  readonly detect?: (
    pieces: readonly AudioPiece[],
    model?: string | null,
  ) => Promise<(Detected | null)[]>
  readonly #closing = new Closing()

  constructor(
    program: CliProgram,
    settings: EngineSettings,
    info: EngineInfo,
    models: readonly string[],
    { idleMs = IDLE_MS }: { idleMs?: number } = {},
  ) {
    this.#idleMs = idleMs
    this.#program = program
    this.#settings = settings
    this.info = info
    this.abilities = program.abilities
    this.#models = models
    const { batchSize, computeType } = settings
    const device = settings.device.kind === 'cpu' ? 'cpu' : 'gpu'
    this.#fallback = new MemoryFallback(
      { batchSize, computeType, model: info.model, device },
      { ...settings.onOutOfMemory, models, computeTypes: program.computeTypes ?? true },
    )
    const { detection } = program
    if (detection !== undefined) {
      this.detect = (pieces, model = null) => this.#detect(detection, pieces, model)
    }
  }

  async prepare(_slot: Slot, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { options, signal, slot } = request
    const { model } = options
    const models = modelsFor(options.task, this.#models)
    const { result, warnings } = await this.#fallback.run(
      { slot, model, models },
      async (compute) => {
        signal.throwIfAborted()
        // Emptied: the output of an earlier try must not be taken for this one's.
        const workDir = path.join(request.workDir, 'out')
        await rm(workDir, { recursive: true, force: true })
        await mkdir(workDir, { recursive: true })
        const planned = { ...request, workDir, slot: placeOf(slot, compute), compute }
        const plan = this.#program.plan(planned)
        const { outcome, output } = await this.#run(plan, planned, this.#progress(planned, request))
        return this.#program.parse(output, outcome, planned)
      },
    )
    return { ...result, warnings }
  }

  async #detect(
    detection: NonNullable<CliProgram['detection']>,
    pieces: readonly AudioPiece[],
    model: string | null,
  ): Promise<(Detected | null)[]> {
    const [first] = pieces
    if (first === undefined) return []
    const { slot, signal } = first
    const wavPaths = pieces.map(({ wavPath }) => wavPath)
    const { result } = await this.#fallback.run(
      { slot, model, unbatched: true },
      async (compute) => {
        signal.throwIfAborted()
        const place = { ...first, slot: placeOf(slot, compute) }
        const request = { ...place, options: { ...DETECTING, model }, compute, again: false }
        const { outcome } = await this.#run(detection.plan(request, wavPaths), place)
        return detection.parse(outcome, wavPaths)
      },
    )
    return result
  }

  plans(options: SpeechOptions, workDir: string): CommandLine[] {
    const compute = this.#fallback.usual(options.model)
    const slot = { index: 0, gpu: this.#settings.device.kind === 'cpu' ? null : '0' }
    const wavPath = path.join(workDir, 'piece.wav')
    const request = { wavPath, durationSeconds: 60, workDir, slot, options, compute, again: false }
    return [this.#program.plan(request)]
  }

  async close(): Promise<void> {
    this.#closing.close()
  }

  /** Success is a fresh output, exit code 0, and no known error message. */
  async #run(
    plan: Plan,
    { slot, signal, durationSeconds }: AudioPiece,
    onLine?: (line: string, stream: 'stdout' | 'stderr') => void,
  ): Promise<{ outcome: Outcome; output: Buffer }> {
    const idle = new IdleTimeout(
      this.#idleMs + durationSeconds * 1000,
      `The engine ${this.#program.name}`,
    )
    let result
    try {
      result = await runChild(plan.file, plan.args, {
        signal: AbortSignal.any([signal, this.#closing.signal, idle.signal]),
        env: childEnv({ ...slotEnv(slot), ...plan.env }),
        onLine: (line, stream) => {
          idle.reset()
          onLine?.(line, stream)
        },
        ...(plan.output === null ? { tailBytes: MAX_OUTPUT } : {}),
      })
    } finally {
      idle.end()
    }
    const outcome: Outcome = {
      exitCode: result.exitCode,
      signal: result.signal,
      stdout: result.stdoutTail,
      stderr: result.stderrTail,
    }
    const failure = this.#program.classify(outcome)
    if (failure !== null) throw failure
    return { outcome, output: await this.#outputOf(plan, outcome) }
  }

  #progress(
    planned: PlanRequest,
    request: TranscribeRequest,
  ): (line: string, stream: 'stdout' | 'stderr') => void {
    const { durationSeconds } = planned
    const read = this.#program.progress?.(planned)
    return (line, stream) => {
      const seconds = read?.(line, stream) ?? null
      if (seconds !== null) request.onProgress(Math.min(durationSeconds, Math.max(0, seconds)))
    }
  }

  async #outputOf({ output }: Plan, outcome: Outcome): Promise<Buffer> {
    if (output === null) return Buffer.from(outcome.stdout)
    try {
      const file = typeof output === 'string' ? output : await writtenFile(output)
      if (file === null) throw this.#wroteNothing(outcome)
      const { size } = await stat(file)
      if (size > MAX_OUTPUT) throw this.#failed(`its output has ${size} bytes`)
      return await readFile(file)
    } catch (error) {
      throw isSystemError(error, 'ENOENT') ? this.#wroteNothing(outcome) : error
    }
  }

  /** Some programs print their errors where others print the transcript. */
  #wroteNothing({ stderr, stdout }: Outcome): AppError {
    const last = lastLine(stderr) || lastLine(stdout)
    return this.#failed(`it ended well but wrote no transcript${last && `: ${last}`}`)
  }

  #failed(why: string): AppError {
    return new AppError('engine_failed', `The engine ${this.#program.name} failed: ${why}.`)
  }
}

/** A piece's transcript takes megabytes at most. */
const MAX_OUTPUT = 256 * 1024 * 1024

const DETECTING: SpeechOptions = {
  language: null,
  task: 'transcribe',
  prompt: null,
  hotwords: null,
  words: false,
  speakers: null,
  model: null,
}
