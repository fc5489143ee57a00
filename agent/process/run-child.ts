import { Lines } from '../../shared/lines.ts'
import { startChild } from '../../shared/start-child.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { holdGroup, signalGroup } from '../../shared/process-group.ts'
import { startTimer } from '../../shared/timers.ts'
import { dyingWithUs, notRunBecause } from './parent-death.ts'
import { childEnv } from '../../shared/child-env.ts'

export interface ChildOptions {
  signal: AbortSignal
  /** For each line of output; `\n`, `\r` and `\r\n` end one (progress meters use `\r`). */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void
  /** For each chunk of standard output, in place of `onLine`. */
  onData?: (chunk: Buffer) => void
  cwd?: string
  /** Default: the allow-listed part of ours. */
  env?: Record<string, string>
  /** How much of the end of each stream is returned. */
  tailBytes?: number
}

export interface ChildResult {
  /** Null when a signal ended it. */
  exitCode: number | null
  signal: string | null
  stdoutTail: string
  stderrTail: string
}

const TAIL_BYTES = 64 * 1024
/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 5_000

/**
 * Runs a program to its end, whatever its exit code, without a shell and in a process group of its own: Ctrl-C in a
 * terminal does not reach it, and ending it ends its children. On Linux it also ends when this process is killed.
 * @throws {AppError} `engine_missing` when it is missing or not executable; the signal's reason when aborted, after the
 * whole group has ended.
 */
export async function runChild(
  file: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<ChildResult> {
  const { signal, onLine, onData, tailBytes = TAIL_BYTES } = options
  signal.throwIfAborted()
  const command = dyingWithUs({ file, args })
  const child = startChild(command.file, command.args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? childEnv(),
    stdin: 'ignore',
    buffer: false,
    detached: true,
  })
  const release = child.pid === undefined ? () => undefined : holdGroup(child.pid)
  const tails = { stdout: new Tail(tailBytes), stderr: new Tail(tailBytes) }
  for (const name of ['stdout', 'stderr'] as const) {
    if (name === 'stdout' && onData !== undefined) {
      child[name].on('data', onData)
      continue
    }
    const lines = onLine && new Lines((line) => onLine(line, name))
    child[name].on('data', (chunk: Buffer) => {
      tails[name].push(chunk)
      lines?.push(chunk)
    })
    child[name].on('end', () => lines?.end())
  }
  // Its children would hold its output open, and outlive the job.
  child.on('exit', () => signalGroup(child.pid, 'SIGKILL'))
  const stop = (): void => terminateGroup(child.pid, child)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const result = await child
    signal.throwIfAborted()
    if (child.pid === undefined) throw notStarted(file, result)
    const why = notRunBecause(result.exitCode, tails.stderr.text())
    if (why !== null) throw notStarted(file, new Error(why))
    return {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      stdoutTail: tails.stdout.text(),
      stderrTail: tails.stderr.text(),
    }
  } finally {
    signal.removeEventListener('abort', stop)
    release()
  }
}

function terminateGroup(
  pid: number | undefined,
  child: { once(event: 'exit', listener: () => void): unknown },
): void {
  signalGroup(pid, 'SIGTERM')
  const timer = startTimer(() => signalGroup(pid, 'SIGKILL'), KILL_AFTER_MS)
  child.once('exit', () => clearTimeout(timer))
}

function notStarted(file: string, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const why =
    code === 'ENOENT'
      ? 'it is not there. Install it, or name its full path'
      : code === 'EACCES'
        ? 'it may not be executed. Give it the right to (chmod +x)'
        : messageOf(cause)
  return new AppError('engine_missing', `'${file}' cannot be started: ${why}.`, { cause })
}

export class Tail {
  readonly #limit: number
  #bytes: Buffer = Buffer.alloc(0)

  constructor(limit: number = TAIL_BYTES) {
    this.#limit = limit
  }

  push(chunk: Buffer): void {
    const both = Buffer.concat([this.#bytes, chunk])
    this.#bytes = both.length > this.#limit ? Buffer.from(both.subarray(-this.#limit)) : both
  }

  text(): string {
    return this.#bytes.toString()
  }
}
