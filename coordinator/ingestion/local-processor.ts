import path from 'node:path'
import { startChild } from '../../shared/start-child.ts'
import { SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { signalGroup } from '../../shared/process-group.ts'
import { startTimer } from '../../shared/timers.ts'

export interface ProcessorRun {
  program: string
  args: readonly string[]
  /** The folder that it runs in, and may leave files in. */
  cwd: string
  /** The whole environment. */
  env: Readonly<Record<string, string>>
  /** Aborted: the program is ended, with all that it started. */
  signal: AbortSignal
}

/** As much as a worker may send. */
const MOST_BYTES = 64 * 1024 * 1024
const TAIL_BYTES = 64 * 1024
/** How long it has between being asked to end and being killed. */
const KILL_AFTER_MS = 5 * SECOND

/**
 * Runs a program to its end, without a shell and in a process group of its own; what it writes to standard output.
 * @throws {AppError} `engine_missing` when it cannot be started, `engine_failed` with the last line that it complained
 * with, `too_large`; the signal's reason when aborted, after the whole group has ended.
 */
export async function runProcessor(run: ProcessorRun): Promise<string> {
  const { program, args, cwd, env, signal } = run
  signal.throwIfAborted()
  const child = startChild(program, args, {
    cwd,
    env,
    stdin: 'ignore',
    buffer: false,
    detached: true,
  })
  const { pid } = child
  const kill = (): void => signalGroup(pid, 'SIGKILL')
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    signalGroup(pid, 'SIGTERM')
    timer ??= startTimer(kill, KILL_AFTER_MS)
  }
  const chunks: Buffer[] = []
  let bytes = 0
  let complaint: Buffer = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MOST_BYTES) chunks.push(chunk)
    else stop()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = Buffer.from(Buffer.concat([complaint, chunk]).subarray(-TAIL_BYTES))
  })
  // What it leaves running would hold its output open, and outlive the job.
  child.on('exit', kill)
  process.on('exit', kill)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const ended = await child
    signal.throwIfAborted()
    const name = printable(path.basename(program), { most: 100 })
    if (pid === undefined) throw notStarted(program, ended)
    if (bytes > MOST_BYTES) throw new AppError('too_large', `${name} wrote more than 64 MiB.`)
    if (ended.exitCode !== 0) throw failed(name, ended, complaint.toString())
    return decoded(Buffer.concat(chunks), name)
  } finally {
    clearTimeout(timer)
    process.off('exit', kill)
    signal.removeEventListener('abort', stop)
  }
}

function notStarted(program: string, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const why =
    code === 'ENOENT'
      ? 'it is not there'
      : code === 'EACCES'
        ? 'it may not be executed'
        : messageOf(cause)
  const message = `'${printable(program)}' cannot be started: ${why}. Install it on the coordinator's machine, or change --local-processor.`
  return new AppError('engine_missing', message, { cause })
}

function failed(
  name: string,
  { exitCode, signal }: { exitCode?: number; signal?: string },
  complaint: string,
): AppError {
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
