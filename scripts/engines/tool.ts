import { runChild, type ChildOptions } from '../../agent/process/run-child.ts'
import { AppError } from '../../shared/errors.ts'

export interface ToolOptions extends Omit<ChildOptions, 'onLine'> {
  /** What to install when the program is missing. */
  hint: string
  say?: ((line: string) => void) | undefined
}

/**
 * Runs a program that has to succeed.
 * @returns the end of its standard output.
 * @throws {AppError} `engine_missing`, with the hint, when it is missing or does not exit with 0.
 */
export async function runTool(
  file: string,
  args: readonly string[],
  { hint, say, ...options }: ToolOptions,
): Promise<string> {
  const { exitCode, signal, stdoutTail, stderrTail } = await runChild(file, args, {
    ...options,
    ...(say === undefined ? {} : { onLine: say }),
  }).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'engine_missing') throw error
    throw new AppError('engine_missing', `${error.message} ${hint}`, { cause: error })
  })
  if (exitCode === 0) return stdoutTail
  const last = `${stdoutTail}\n${stderrTail}`.trim().split('\n').slice(-12).join('\n')
  throw new AppError(
    'engine_missing',
    `'${[file, ...args].join(' ')}' ended with ${exitCode ?? signal}. ${hint}\n${last}`,
  )
}
