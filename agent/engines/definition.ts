import { AppError } from '../../shared/errors.ts'
import type { ModelSource } from '../models/config.ts'
import type { Engine } from './engine.ts'

/** What whoever runs the agent decides about engines. */
export interface EngineSettings {
  /** The folder of all models. */
  modelsDir: string
  /** A name that the engine knows, or a path; null: the best that is there. */
  model: string | null
  /** The program to run in place of the one on PATH. */
  program: string | null
  /** The address of a server that speaks OpenAI's protocol. */
  url: string | null
  /** The key of the server behind `url`; null: it wants none. */
  apiKey?: string | null
  /** What to run: the server behind `url`, or the program of the engine `command`. */
  command: readonly string[] | null
  /** What the engine `command` writes. */
  commandOutput: OutputForm
  /** `float16`, `int8_float16`, …; null: the engine's own choice. */
  computeType: string | null
  batchSize: number | null
  /** CPU threads per slot; null: the engine's own choice. */
  threads: number | null
  /** What to run on: `cpu`, or the name of the GPUs of the slots. */
  device: { kind: 'cpu' | 'cuda' | 'rocm' | 'metal'; name: string }
  /** What may be done when the GPU's memory is too small, beside smaller batches and numbers. */
  onOutOfMemory: { smallerModel: boolean; cpu: boolean }
  /** Full path of ffmpeg, for programs that call it by its name; null or absent: they look in PATH. */
  ffmpeg?: string | null
  /** Nothing is fetched. */
  offline: boolean
  /** Where our own models are fetched from; the engines' programs have their own ways. Default: the environment's. */
  source?: ModelSource
  /** A line for people while models are fetched. */
  onPull?: (text: string) => void
}

/** What a program of the engine `command` can write. */
export const OUTPUT_FORMS = ['whisper-json', 'srt', 'vtt', 'text'] as const
/** One of {@link OUTPUT_FORMS}. */
export type OutputForm = (typeof OUTPUT_FORMS)[number]

/** What was found of an engine on this machine. Finding it starts nothing that stays. */
export interface Probe {
  /** Whether it can be used as things are: program found, model present or fetched by itself. */
  usable: boolean
  /** One sentence: what was found, or what is missing and how to get it. */
  why: string
  program: string | null
  version: string | null
  /** The model that would be used. */
  model: string | null
  /** Every model that a job could choose here. */
  models: readonly string[]
}

/** One row of the registry. */
export interface EngineDefinition {
  name: string
  /** A few words for lists: `whisper.cpp, C++, fast on GPU and CPU`. */
  description: string
  probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe>
  /** @throws {AppError} `engine_missing`, `model_missing`, `usage` when the probe says that it cannot be used. */
  create(settings: EngineSettings, probe: Probe): Engine
}

/** A probe that found nothing usable. */
export function unusable(why: string, found: Partial<Probe> = {}): Probe {
  return { program: null, version: null, model: null, models: [], ...found, usable: false, why }
}

/** @throws {AppError} `engine_missing` or `model_missing`, with the probe's sentence, when the engine cannot be used. */
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
