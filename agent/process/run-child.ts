import { childEnv } from '../../shared/child-env.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { runProgram, type ProgramOptions, type ProgramResult } from '../../shared/run-program.ts'
import { dyingWithUs, notRunBecause } from './parent-death.ts'

export type ChildOptions = Omit<ProgramOptions, 'env' | 'notStarted'> & {
  /** Default: the allow-listed part of ours. */
  env?: Record<string, string>
}

/**
 * Runs a program as {@link runProgram} does. On Linux it also ends when this process is killed.
 * @throws {AppError} `engine_missing` when it is missing or not executable; the signal's reason when aborted, after the
 * whole group has ended.
 */
export async function runChild(
  file: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<ProgramResult> {
  const notStarted = (cause: unknown): AppError => startFailure(file, cause)
  const command = dyingWithUs({ file, args })
  const result = await runProgram(command, { env: childEnv(), ...options, notStarted })
  const why = notRunBecause(result.exitCode, result.stderrTail)
  if (why !== null) throw notStarted(new Error(why))
  return result
}

function startFailure(file: string, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const why =
    code === 'ENOENT'
      ? 'it is not there. Install it, or name its full path'
      : code === 'EACCES'
        ? 'it may not be executed. Give it the right to (chmod +x)'
        : messageOf(cause)
  return new AppError('engine_missing', `'${file}' cannot be started: ${why}.`, { cause })
}
