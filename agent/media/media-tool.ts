import { stat } from 'node:fs/promises'
import { availableParallelism, constants } from 'node:os'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { Tail, type ProgramResult } from '../../shared/run-program.ts'
import { runChild, type ChildOptions } from '../process/run-child.ts'
import { IdleTimeout, IDLE_MS } from '../process/idle-timeout.ts'
import { findLimiter, limited, type ChildLimits } from './child-limits.ts'
import { lockedIn, toolEnv, type MediaTools } from './sandbox.ts'

/** Only containers of media: no playlist can make ffmpeg open other files or addresses. */
const FORMATS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,ogg,flac,aac,avi,mpegts,mpeg,asf,flv,aiff,amr,caf,ac3,eac3,dts,w64,au,' +
  'wv,tta,ape,mpc,mpc8,gsm,voc,dss,nistsphere,sox,loas,oma,mxf,dv'
/** Before every input. */
export const SAFE = ['-protocol_whitelist', 'file', '-format_whitelist', FORMATS]
/** Errors alone. */
export const QUIET = ['-hide_banner', '-nostdin', '-nostats', '-v', 'error']

/** All messages, each with its level. */
export const LEVELLED = ['-hide_banner', '-nostdin', '-nostats', '-v', 'level+info']

export interface ToolRun extends Pick<ChildOptions, 'signal' | 'onLine' | 'onData' | 'tailBytes'> {
  tool: 'ffmpeg' | 'ffprobe'
  args: readonly string[]
  file: string
  /** The output folder; default: none. */
  folder?: string | null
  limits: ChildLimits
  /** For lines on stderr that are no errors, where the tool logs levels; they are not in `stderrTail`. */
  onLog?: (line: string) => void
}

export interface ToolResult extends ProgramResult {
  limit: 'time' | 'size' | null
}

/**
 * Runs ffmpeg or ffprobe within limits, and in the sandbox where there is one.
 * @throws {AppError} `engine_missing` when it cannot be started, `source_missing` when its file is gone; the signal's
 * reason when aborted.
 */
export async function runTool(tools: MediaTools, run: ToolRun): Promise<ToolResult> {
  const { tool, args, file, folder = null, limits, signal, tailBytes, onData, onLog } = run
  const errors = new Tail()
  const onLine: ChildOptions['onLine'] =
    onLog === undefined
      ? run.onLine
      : (line, stream) => {
          if (stream === 'stderr') logged(line, onLog, errors)
          else run.onLine?.(line, stream)
        }
  const { sandbox = null } = tools
  const bare = { file: tools[tool], args }
  const locked = sandbox === null ? bare : await lockedIn(sandbox, bare, { files: [file], folder })
  const command = limited(locked, limits, findLimiter())
  const from = performance.now()
  const idle = new IdleTimeout(IDLE_MS + limits.cpuSeconds * 1000, tool)
  const printed = await runChild(command.file, command.args, {
    signal: AbortSignal.any([signal, idle.signal]),
    env: toolEnv(),
    ...(onLine === undefined ? {} : { onLine: idle.resetting(onLine) }),
    ...(onData === undefined ? {} : { onData: idle.resetting(onData) }),
    ...(tailBytes === undefined ? {} : { tailBytes }),
  }).finally(() => idle.end())
  const result = onLog === undefined ? printed : { ...printed, stderrTail: errors.text() }
  const wrapper = /^(?:prlimit|bwrap): .*/m.exec(result.stderrTail)
  if (result.exitCode !== 0 && wrapper !== null) {
    // bubblewrap fails when a file that it has to show is missing.
    if (wrapper[0].includes(`${file}: No such file`)) {
      throw new AppError('source_missing', 'The file is not there.')
    }
    const text = `'${tools[tool]}' cannot be started: ${printable(wrapper[0], { most: 300 })}.`
    throw new AppError('engine_missing', text)
  }
  const ended = sandbox === null ? result : unwrapped(result)
  const seconds = (performance.now() - from) / 1000
  return { ...ended, limit: limitOf(ended, limits, seconds) }
}

// A filter's line begins with its graph.
const LEVEL = /^((?:\[[^\]]* @ 0x[0-9a-f]+\] )*)\[(\w+)\] /

/** A line without a level is an error. Errors are kept without their level. */
function logged(line: string, onLog: (line: string) => void, errors: Tail): void {
  const level = LEVEL.exec(line)?.[2]
  if (level === undefined || /^(error|fatal|panic)$/.test(level)) {
    errors.push(Buffer.from(`${line.replace(LEVEL, '$1')}\n`))
  } else onLog(line)
}

/** bubblewrap's exit code is 128 + the signal that ended its program. */
function unwrapped(result: ProgramResult): ProgramResult {
  const number = (result.exitCode ?? 0) - 128
  const [signal] = Object.entries(constants.signals).find(([, one]) => one === number) ?? []
  return signal === undefined ? result : { ...result, exitCode: null, signal }
}

/** @param seconds how long it ran. */
export function limitOf(
  { exitCode, signal, stderrTail }: ProgramResult,
  { cpuSeconds }: ChildLimits,
  seconds: number,
): ToolResult['limit'] {
  if (signal === 'SIGXFSZ') return 'size'
  if (signal === 'SIGXCPU') return 'time'
  if (!endedBySignal({ exitCode, stderrTail })) return null
  // By its run time: it has two threads of ours, and some of its own.
  return seconds * Math.min(4, availableParallelism()) >= cpuSeconds ? 'time' : null
}

/** After a signal ffmpeg cleans up and exits with 255, without a message. */
export function endedBySignal({
  exitCode,
  stderrTail,
}: Pick<ProgramResult, 'exitCode' | 'stderrTail'>): boolean {
  return exitCode === 255 && stderrTail.trim() === ''
}

/** In bytes; 0 for a missing file, which the tool reports. */
export async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0
}
