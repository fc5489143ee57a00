import { AppError, type ErrorCode } from '../../shared/errors.ts'
import type { ModelSource } from '../models/config.ts'
import type { Engine } from './engine.ts'

export interface EngineSettings {
  modelsDir: string
  model: string | null
  program: string | null
  /** Of a server that speaks OpenAI's protocol. */
  url: string | null
  /** For the server behind `url`. */
  apiKey?: string | null
  /** Starts the server behind `url`, or is the program of the engine `command`. */
  command: readonly string[] | null
  commandOutput: OutputForm
  /** What exit codes of the engine command mean; default: `engine_failed` for all but 0. */
  exitCodes?: ExitCodes
  computeType: string | null
  batchSize: number | null
  /** Windows at a server at once; default: 4. */
  concurrency?: number
  /** CPU threads per slot; null: the engine's own choice. */
  threads: number | null
  /**
   * `name`: `cpu`, or the names of the GPUs. `freeMb`: the memory of a GPU that was free for a slot at the start, in MiB;
   * null or absent: unknown.
   */
  device: { kind: 'cpu' | 'cuda' | 'rocm' | 'metal'; name: string; freeMb?: number | null }
  /** Which steps are allowed when the GPU is out of memory, beside smaller batches and lower precision. */
  onOutOfMemory: { smallerModel: boolean; cpu: boolean }
  /** Full path of ffmpeg, for programs that call it by its name; null or absent: the one on PATH. */
  ffmpeg?: string | null
  offline: boolean
  /**
   * Where our own models are fetched from; the engines' programs have sources of their own. Default: the environment's.
   */
  source?: ModelSource | undefined
  /** Called with a line for people while models are fetched. */
  onPull?: ((text: string) => void) | undefined
}

export const OUTPUT_FORMS = ['whisper-json', 'srt', 'vtt', 'timed-lines', 'text'] as const
export type OutputForm = (typeof OUTPUT_FORMS)[number]

export type ExitCodes = Readonly<Record<number, ErrorCode>>

export interface Probe {
  /** Program found, model present or fetched by the program. */
  usable: boolean
  /** One sentence: what was found, or what is missing and how to get it. */
  why: string
  program: string | null
  version: string | null
  model: string | null
  models: readonly string[]
  /** This machine has a GPU that the engine cannot use: `auto` prefers others. */
  lacksGpu?: true
}

export interface EngineDefinition {
  name: string
  /** For lists: `whisper.cpp, C++, fast on GPU and CPU`. */
  description: string
  probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe>
  /** @throws {AppError} `engine_missing`, `model_missing`, `usage` when the probe is not usable. */
  create(settings: EngineSettings, probe: Probe): Engine
}

export function unusable(why: string, found: Partial<Probe> = {}): Probe {
  return { program: null, version: null, model: null, models: [], ...found, usable: false, why }
}

/** @throws {AppError} `engine_missing` or `model_missing`, with the probe's sentence, when the probe is not usable. */
export function usable(
  engine: string,
  { usable: isUsable, why, program, model, version }: Probe,
): { program: string; model: string; version: string } {
  if (isUsable && program !== null && model !== null) {
    return { program, model, version: version ?? 'unknown' }
  }
  const code = program !== null && model === null ? 'model_missing' : 'engine_missing'
  throw new AppError(code, `The engine ${engine} cannot be used. ${why}`)
}
