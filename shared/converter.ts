import { constants } from 'node:os'
import path from 'node:path'
import { startChild } from './start-child.ts'
import { formatDuration, SECOND } from './duration.ts'
import { AppError, messageOf } from './errors.ts'
import { Lines } from './lines.ts'
import { printable } from './printable.ts'
import { holdGroup, signalGroup } from './process-group.ts'
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
  wrap?: (command: Command) => Command
}

export interface Command {
  file: string
  args: readonly string[]
}

const MOST_BYTES = 64 * 1024 * 1024
const TAIL_BYTES = 64 * 1024
const KILL_AFTER_MS = 5 * SECOND
/** Signals of exceeded limits. A sandbox turns them into exit codes. */
const LIMITS: readonly NodeJS.Signals[] = ['SIGXCPU', 'SIGXFSZ']

/**
 * Runs a program without a shell, in a process group of its own, and returns its standard output.
 * @throws {AppError} `engine_missing` when it cannot be started, `engine_failed` with the last line of standard error, or
 * after `limitMs`; `too_large`; the signal's reason when aborted, after the whole group has ended.
 */
export async function runConverter(run: ConverterRun): Promise<string> {
  const { program, args, cwd, env, signal, limitMs = Infinity, wrap = (command) => command } = run
  signal.throwIfAborted()
  const command = wrap({ file: program, args })
  const child = startChild(command.file, command.args, {
    cwd,
    env,
    stdin: 'ignore',
    buffer: false,
    detached: true,
  })
  const { pid } = child
  const kill = (): void => signalGroup(pid, 'SIGKILL')
  const release = pid === undefined ? () => undefined : holdGroup(pid)
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    signalGroup(pid, 'SIGTERM')
    timer ??= startTimer(kill, KILL_AFTER_MS)
  }
  let isLate = false
  const limit = startTimer(() => {
    isLate = true
    stop()
  }, limitMs)
  const chunks: Buffer[] = []
  let bytes = 0
  let stderrTail: Buffer = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MOST_BYTES) chunks.push(chunk)
    else stop()
  })
  const lines = new Lines((line) => run.onLine?.(line))
  child.stderr.on('data', (chunk: Buffer) => {
    stderrTail = Buffer.from(Buffer.concat([stderrTail, chunk]).subarray(-TAIL_BYTES))
    lines.push(chunk)
  })
  child.stderr.on('end', () => lines.end())
  // Children that it leaves behind would hold its output open, and outlive the job.
  child.on('exit', kill)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const ended = await child
    signal.throwIfAborted()
    const name = printable(path.basename(program), { most: 100 })
    if (pid === undefined) throw notStarted(run, ended)
    if (bytes > MOST_BYTES) throw new AppError('too_large', `${name} wrote more than 64 MiB.`)
    if (isLate) {
      const message = `${name} was stopped after ${formatDuration(limitMs)}: it took too long.`
      throw new AppError('engine_failed', message)
    }
    if (ended.exitCode !== 0) throw failed(name, ended, stderrTail.toString())
    return decoded(Buffer.concat(chunks), name)
  } finally {
    clearTimeout(timer)
    clearTimeout(limit)
    release()
    signal.removeEventListener('abort', stop)
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

function failed(
  name: string,
  { exitCode, signal }: { exitCode?: number; signal?: string },
  stderr: string,
): AppError {
  const limit = LIMITS.find((one) => one === signal || exitCode === 128 + constants.signals[one])
  if (limit !== undefined) {
    const what = limit === 'SIGXCPU' ? 'more computing time' : 'a larger file'
    throw new AppError('too_large', `${name} was stopped: it needed ${what} than allowed.`)
  }
  const lines = stderr.split(/[\r\n]+/).map((line) => printable(line, { most: 300 }))
  const last = lines.findLast((line) => line !== '')
  const how = exitCode === undefined ? `was ended by ${signal}` : `ended with exit code ${exitCode}`
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
