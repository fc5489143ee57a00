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
  /** Whatever it is to be told, with the name of its file in it. */
  args: readonly string[]
  /** The folder that it runs in, and may leave files in. */
  cwd: string
  /** The whole environment. */
  env: Readonly<Record<string, string>>
  /** Aborted: the program is ended, with all that it started. */
  signal: AbortSignal
  /** For sentences: the setting that names it. */
  setting: string
  /** How long it may take, in ms; default: until the signal is aborted. */
  limitMs?: number
  /** Told each line that it writes to standard error, where programs say how far they are. */
  onLine?: (line: string) => void
  /** What is started in its place: something that runs it within limits. */
  wrap?: (command: Command) => Command
}

/** A program and its arguments. */
export interface Command {
  file: string
  args: readonly string[]
}

/** As much as a worker may send. */
const MOST_BYTES = 64 * 1024 * 1024
const TAIL_BYTES = 64 * 1024
/** How long it has between being asked to end and being killed. */
const KILL_AFTER_MS = 5 * SECOND
/** Signals by which a limit ends a program. A sandbox passes them on as an exit code. */
const LIMITS: readonly NodeJS.Signals[] = ['SIGXCPU', 'SIGXFSZ']

/**
 * Runs a program that makes text of a file, to its end, without a shell and in a process group of its own; what it
 * writes to standard output.
 * @throws {AppError} `engine_missing` when it cannot be started, `engine_failed` with the last line that it complained
 * with or when it took too long, `too_large`; the signal's reason when aborted, after the whole group has ended.
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
  let complaint: Buffer = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MOST_BYTES) chunks.push(chunk)
    else stop()
  })
  const lines = new Lines((line) => run.onLine?.(line))
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = Buffer.from(Buffer.concat([complaint, chunk]).subarray(-TAIL_BYTES))
    lines.push(chunk)
  })
  child.stderr.on('end', () => lines.end())
  // What it leaves running would hold its output open, and outlive the job.
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
    if (ended.exitCode !== 0) throw failed(name, ended, complaint.toString())
    return decoded(Buffer.concat(chunks), name)
  } finally {
    clearTimeout(timer)
    clearTimeout(limit)
    release()
    signal.removeEventListener('abort', stop)
  }
}

/** What is known of a text that a program has made of a file, in the wire's keys. */
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
      ? 'it is not there'
      : code === 'EACCES'
        ? 'it may not be executed'
        : messageOf(cause)
  const message = `'${printable(program)}' cannot be started: ${why}. Install it on this machine, or change ${setting}.`
  return new AppError('engine_missing', message, { cause })
}

function failed(
  name: string,
  { exitCode, signal }: { exitCode?: number; signal?: string },
  complaint: string,
): AppError {
  const limit = LIMITS.find((one) => one === signal || exitCode === 128 + constants.signals[one])
  if (limit !== undefined) {
    const what = limit === 'SIGXCPU' ? 'more computing time' : 'a larger file'
    throw new AppError('too_large', `${name} needed ${what} than it may use: it was stopped.`)
  }
  const lines = complaint.split(/[\r\n]+/).map((line) => printable(line, { most: 300 }))
  const last = lines.findLast((line) => line !== '')
  const how = exitCode === undefined ? `was ended by ${signal}` : `ended with exit code ${exitCode}`
  return new AppError('engine_failed', `${name} ${how}${last === undefined ? '.' : `: ${last}`}`)
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const message = `${name} wrote something that is not UTF-8.`
    throw new AppError('engine_failed', message, { cause: error })
  }
}
