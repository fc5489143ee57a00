import { constants } from 'node:os'
import path from 'node:path'
import { formatDuration } from './duration.ts'
import { AppError, messageOf } from './errors.ts'
import { printable } from './printable.ts'
import { runProgram, type CommandLine, type ProgramResult } from './run-program.ts'
import { startTimer } from './timers.ts'

export interface ConverterRun {
  program: string
  args: readonly string[]
  /** The working folder; it may leave files there. */
  cwd: string
  env: Readonly<Record<string, string>>
  /** Aborting it ends the program and its children. */
  signal: AbortSignal
  /** The setting that names it, for error messages. */
  setting: string
  /** In ms; default: none. */
  limitMs?: number
  /** Called for each line of standard error, where programs report progress. */
  onLine?: (line: string) => void
  /** Wraps the command, for example in a sandbox. */
  wrap?: (command: CommandLine) => CommandLine
}

const MOST_BYTES = 64 * 1024 * 1024
/** Signals of exceeded limits. A sandbox turns them into exit codes. */
const LIMITS: readonly NodeJS.Signals[] = ['SIGXCPU', 'SIGXFSZ']

/**
 * Runs a program without a shell, in a process group of its own, and returns its standard output.
 * @throws {AppError} `engine_missing` when it cannot be started, `engine_failed` with the last line of standard error, or
 * after `limitMs`; `too_large`; the signal's reason when aborted, after the whole group has ended.
 */
export async function runConverter(run: ConverterRun): Promise<string> {
  const { program, args, cwd, env, limitMs = Infinity, wrap = (command) => command } = run
  const name = printable(path.basename(program), { most: 100 })
  const limits = new AbortController()
  const timer = startTimer(() => {
    const message = `${name} was stopped after ${formatDuration(limitMs)}: it took too long.`
    limits.abort(new AppError('engine_failed', message))
  }, limitMs)
  const chunks: Buffer[] = []
  let bytes = 0
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length
    if (bytes <= MOST_BYTES) chunks.push(chunk)
    else limits.abort(new AppError('too_large', `${name} wrote more than 64 MiB.`))
  }
  try {
    const ended = await runProgram(wrap({ file: program, args }), {
      cwd,
      env,
      signal: AbortSignal.any([run.signal, limits.signal]),
      onData,
      onLine: (line) => run.onLine?.(line),
      notStarted: (cause) => notStarted(run, cause),
    })
    if (ended.exitCode !== 0) throw failed(name, ended)
    return decoded(Buffer.concat(chunks), name)
  } finally {
    clearTimeout(timer)
  }
}

/** The metadata of a converted file, in wire keys. */
export function convertedMetadata(
  source: { filename: string; sizeBytes: number; sha256: string | null },
  processor: string,
): Record<string, unknown> {
  const { filename, sizeBytes, sha256 } = source
  const checksum = sha256 === null ? {} : { checksum: sha256 }
  return { file_name: filename, file_size: sizeBytes, ...checksum, processor }
}

function notStarted({ program, setting }: ConverterRun, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const why =
    code === 'ENOENT'
      ? 'it was not found'
      : code === 'EACCES'
        ? 'it is not executable'
        : messageOf(cause)
  const message = `'${printable(program)}' cannot be started: ${why}. Install it on this machine, or change ${setting}.`
  return new AppError('engine_missing', message, { cause })
}

function failed(name: string, { exitCode, signal, stderrTail }: ProgramResult): AppError {
  const limit = LIMITS.find((one) => one === signal || exitCode === 128 + constants.signals[one])
  if (limit !== undefined) {
    const what = limit === 'SIGXCPU' ? 'more computing time' : 'a larger file'
    throw new AppError('too_large', `${name} was stopped: it needed ${what} than allowed.`)
  }
  const lines = stderrTail.split(/[\r\n]+/).map((line) => printable(line, { most: 300 }))
  const last = lines.findLast((line) => line !== '')
  const how = exitCode === null ? `was ended by ${signal}` : `ended with exit code ${exitCode}`
  return new AppError('engine_failed', `${name} ${how}${last === undefined ? '.' : `: ${last}`}`)
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const message = `The output of ${name} is not UTF-8.`
    throw new AppError('engine_failed', message, { cause: error })
  }
}
