import { AppError } from '../../shared/errors.ts'
import type { Probe } from './definition.ts'

/**
 * What an engine is made of, from what its probe found.
 * @throws {AppError} `engine_missing` or `model_missing`, with the probe's sentence, when it cannot be used.
 */
export function usableProbe(
  engine: string,
  { usable, why, program, model, version }: Probe,
): { program: string; model: string; version: string } {
  if (usable && program !== null && model !== null) {
    return { program, model, version: version ?? 'unknown' }
  }
  const code = program !== null && model === null ? 'model_missing' : 'engine_missing'
  throw new AppError(code, `The engine ${engine} cannot be used. ${why}`)
}
