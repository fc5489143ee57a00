import { AppError } from '../../shared/errors.ts'

/** What the engine makes text of. */
export const SPEECH_TYPES: readonly string[] = ['audio', 'video']

/** Of a job that this agent has nothing for: another may. */
export function unsupportedType(contentType: string): AppError {
  const text = `This agent has nothing that makes text of '${contentType}'.`
  return new AppError('unsupported_type', text)
}
