import { AppError } from '../../shared/errors.ts'
import type { Engine } from './engine.ts'
import { createMoonshine } from './moonshine.ts'

export interface EngineOptions {
  /** The folder of all models. */
  modelsDir: string
  /** A line for people while models are fetched. */
  onPull?: (text: string) => void
}

/** `auto` is the best engine that this machine has. */
export const ENGINE_NAMES = ['auto', 'moonshine'] as const

/**
 * The engine of that name. Nothing heavy happens yet: models are fetched and processes started by `prepare`, or by the
 * first `transcribe`.
 * @throws {AppError} `usage` when there is none of that name, `engine_missing` when it is not installed here.
 */
export async function createEngine(name: string, options: EngineOptions): Promise<Engine> {
  switch (name) {
    case 'auto':
    case 'moonshine':
      return createMoonshine(options)
    default:
      throw new AppError(
        'usage',
        `There is no engine '${name}'. The engines are: ${ENGINE_NAMES.join(', ')}.`,
      )
  }
}
