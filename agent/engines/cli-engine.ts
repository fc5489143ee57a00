import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { runChild } from '../process/run-child.ts'
import { childEnv } from '../../shared/child-env.ts'
import { slotEnv, type Slot } from '../gpu/slots.ts'
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
import { withMemoryFallback, type Allowed, type ComputeConfig } from './out-of-memory.ts'
import { SettledCompute } from './settled-compute.ts'
import { IdleTimeout, SILENT_MS } from '../process/idle-timeout.ts'

/** An engine of one process per piece of audio. */
export class CliEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #program: CliProgram
  readonly #settings: EngineSettings
  readonly #effort: ComputeConfig
  readonly #models: readonly string[]
  readonly #silentMs: number
  readonly #settled = new SettledCompute()
  /** Absent where the program cannot tell, or does so as well while it transcribes. */
  readonly detect?: (
    pieces: readonly AudioPiece[],
    model?: string | null,
  ) => Promise<(Detected | null)[]>
  #closing = new AbortController()

  /** @param models what the ladder may fall back to. */
  constructor(
    program: CliProgram,
    settings: EngineSettings,
    info: EngineInfo,
    models: readonly string[],
    { silentMs = SILENT_MS }: { silentMs?: number } = {},
  ) {
    this.#silentMs = silentMs
    this.#program = program
    this.#settings = settings
    this.info = info
    this.abilities = program.abilities
    this.#models = models
    this.#effort = {
      batchSize: settings.batchSize,
      computeType: settings.computeType,
      model: info.model,
      device: settings.device.kind === 'cpu' ? 'cpu' : 'gpu',
    }
    const { detection } = program
    if (detection !== undefined) {
      this.detect = (pieces, model = null) => this.#detect(detection, pieces, model)
    }
  }

  /** There is nothing to keep ready: each piece has a process of its own. */
  async prepare(_slot: Slot, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { options, signal, slot } = request
    const { result, warnings } = await this.#settled.run(
      slot,
      this.#usual(options.model),
      this.#allowed(options.task === 'translate'),
      async (compute) => {
        signal.throwIfAborted()
        const workDir = path.join(request.workDir, 'out')
        // What an earlier try left behind is not to be taken for this one's.
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
    const { compute: settled } = this.#settled.from(slot, this.#usual(model))
    return await withMemoryFallback(
      // A language is told without batches: less memory would not be asked for with smaller ones.
      { ...settled, batchSize: null },
      this.#allowed(false),
      async (compute) => {
        signal.throwIfAborted()
        const place = { ...first, slot: placeOf(slot, compute) }
        const request = { ...place, options: { ...DETECTING, model }, compute, again: false }
        const { outcome } = await this.#run(detection.plan(request, wavPaths), place)
        return detection.parse(outcome, wavPaths)
      },
      () => undefined,
    )
  }

  #usual(model: string | null): ComputeConfig {
    return { ...this.#effort, model: model ?? this.#effort.model }
  }

  #allowed(translates: boolean): Allowed {
    return {
      ...this.#settings.onOutOfMemory,
      // Whisper's turbo models do not translate.
      models: this.#models.filter((model) => !translates || !model.includes('turbo')),
      computeTypes: this.#program.computeTypes ?? true,
    }
  }

  plans(options: SpeechOptions, workDir: string): CommandLine[] {
    const compute = this.#usual(options.model)
    const slot = { index: 0, gpu: this.#settings.device.kind === 'cpu' ? null : '0' }
    const wavPath = path.join(workDir, 'piece.wav')
    const request = { wavPath, durationSeconds: 60, workDir, slot, options, compute, again: false }
    return [this.#program.plan(request)]
  }

  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The engine was closed.'))
    this.#closing = new AbortController()
  }

  /** Runs a plan. Success is a fresh output, exit code 0, and no known word of failure. */
  async #run(
    plan: Plan,
    { slot, signal, durationSeconds }: AudioPiece,
    onLine?: (line: string, stream: 'stdout' | 'stderr') => void,
  ): Promise<{ outcome: Outcome; output: Buffer }> {
    const silent = new IdleTimeout(
      this.#silentMs + durationSeconds * 1000,
      `The engine ${this.#program.name}`,
    )
    let result
    try {
      result = await runChild(plan.file, plan.args, {
        signal: AbortSignal.any([signal, this.#closing.signal, silent.signal]),
        env: childEnv({ ...slotEnv(slot), ...plan.env }),
        onLine: (line, stream) => {
          silent.broken()
          onLine?.(line, stream)
        },
        ...(plan.output === null ? { tailBytes: MAX_OUTPUT } : {}),
      })
    } finally {
      silent.end()
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

  /** Makes of a program's lines how far it is. */
  #progress(
    planned: PlanRequest,
    request: TranscribeRequest,
  ): (line: string, stream: 'stdout' | 'stderr') => void {
    const { durationSeconds } = planned
    const program = this.#program
    const read = program.progressOf?.(planned)
    return (line, stream) => {
      const seconds =
        read?.(line, stream) ?? program.progress?.(line, stream, durationSeconds) ?? null
      if (seconds !== null) request.onProgress(Math.min(durationSeconds, Math.max(0, seconds)))
    }
  }

  async #outputOf({ output }: Plan, outcome: Outcome): Promise<Buffer> {
    if (output === null) return Buffer.from(outcome.stdout)
    try {
      const { size } = await stat(output)
      if (size > MAX_OUTPUT) throw this.#failed(`its output has ${size} bytes`)
      return await readFile(output)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error
      const last = outcome.stderr.trim().split(/\r|\n/).at(-1) ?? ''
      throw this.#failed(
        `it ended well but wrote no transcript${last && `: ${last.slice(0, 300)}`}`,
      )
    }
  }

  #failed(why: string): AppError {
    return new AppError('engine_failed', `The engine ${this.#program.name} failed: ${why}.`)
  }
}

/** A transcript of a piece is some megabytes at the very most. */
const MAX_OUTPUT = 256 * 1024 * 1024

/** What a language is told with. */
const DETECTING: SpeechOptions = {
  language: null,
  task: 'transcribe',
  prompt: null,
  hotwords: null,
  words: false,
  speakers: null,
  model: null,
}

function placeOf(slot: Slot, { device }: ComputeConfig): Slot {
  return device === 'cpu' ? { index: slot.index, gpu: null } : slot
}
