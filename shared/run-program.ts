import type { AppError } from './errors.ts'
import { Lines } from './lines.ts'
import { holdGroup, signalGroup } from './process-group.ts'
import { startChild } from './start-child.ts'
import { startTimer } from './timers.ts'

export interface CommandLine {
  file: string
  args: readonly string[]
}

export interface ProgramOptions {
  env: Readonly<Record<string, string>>
  cwd?: string
  /** Aborting it ends the program and its children. */
  signal: AbortSignal
  /** For each line of output; `\n`, `\r` and `\r\n` end one (progress meters use `\r`). */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void
  /** For each chunk of standard output, in place of `onLine`. */
  onData?: (chunk: Buffer) => void
  /** How much of the end of each stream is returned. */
  tailBytes?: number
  /** The error when it cannot be started. */
  notStarted: (cause: unknown) => AppError
}

export interface ProgramResult {
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
 * terminal does not reach it, and ending it ends its children.
 * @throws {AppError} what `notStarted` returns; the signal's reason when aborted, after the whole group has ended.
 */
export async function runProgram(
  { file, args }: CommandLine,
  options: ProgramOptions,
): Promise<ProgramResult> {
  const { env, cwd, signal, onLine, onData, tailBytes = TAIL_BYTES, notStarted } = options
  signal.throwIfAborted()
  const child = startChild(file, args, {
    ...(cwd !== undefined && { cwd }),
    env,
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
  let timer: NodeJS.Timeout | undefined
  const kill = (): void => signalGroup(child.pid, 'SIGKILL')
  const stop = (): void => {
    signalGroup(child.pid, 'SIGTERM')
    timer = startTimer(kill, KILL_AFTER_MS)
  }
  // Its children would hold its output open, and outlive the job.
  child.on('exit', kill)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const result = await child
    signal.throwIfAborted()
    if (child.pid === undefined) throw notStarted(result)
    return {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      stdoutTail: tails.stdout.text(),
      stderrTail: tails.stderr.text(),
    }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    release()
  }
}

/** The end of a stream. */
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
