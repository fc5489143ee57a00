import { cpus, totalmem } from 'node:os'
import { formatDuration } from '../../shared/duration.ts'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import type { ProgramResult } from '../../shared/run-program.ts'
import { runChild } from '../process/run-child.ts'
import {
  appleDevice,
  parseNvidiaQuery,
  parseRocm,
  withParts,
  type FoundDevices,
} from './driver-output.ts'

export interface FindOptions {
  signal: AbortSignal
  /** Default: by name on PATH, where a missing program is no problem. */
  nvidiaSmi?: string
  rocmSmi?: string
  /** For each program: they hang on a broken GPU. */
  limitMs?: number
}

const LIMIT_MS = 10_000

/**
 * The GPUs of this machine: NVIDIA's, then AMD's, or Apple's. Failures of GPUs, drivers and programs are `problems`.
 * @throws the signal's reason when aborted.
 */
export async function findDevices(options: FindOptions): Promise<FoundDevices> {
  const apple = appleDevice({
    platform: process.platform,
    arch: process.arch,
    model: cpus()[0]?.model ?? '',
    totalBytes: totalmem(),
  })
  if (apple !== null) return { devices: [apple], problems: [] }
  const found = await Promise.all([nvidia(options), rocm(options)])
  return {
    devices: found.flatMap(({ devices }) => devices),
    problems: found.flatMap(({ problems }) => problems),
  }
}

const NVIDIA_QUERY = [
  '--query-gpu=index,uuid,name,memory.total,memory.free,driver_version',
  '--format=csv,noheader,nounits',
]
const ROCM_QUERY = ['--showproductname', '--showmeminfo', 'vram', '--showdriverversion', '--json']

async function nvidia(options: FindOptions): Promise<FoundDevices> {
  const { nvidiaSmi: program = 'nvidia-smi' } = options
  const answer = await ask(program, NVIDIA_QUERY, options, options.nvidiaSmi !== undefined)
  if ('problems' in answer) return { devices: [], problems: answer.problems }
  const found = parseNvidiaQuery(answer)
  if (found.devices.length === 0) return found
  // Only the list shows the parts of divided GPUs. Without it, the GPUs count as whole.
  const list = await ask(program, ['-L'], options, true)
  return 'problems' in list
    ? { devices: found.devices, problems: [...found.problems, ...list.problems] }
    : { devices: withParts(found.devices, list.stdoutTail), problems: found.problems }
}

async function rocm(options: FindOptions): Promise<FoundDevices> {
  const { rocmSmi: program = 'rocm-smi' } = options
  const answer = await ask(program, ROCM_QUERY, options, options.rocmSmi !== undefined)
  return 'problems' in answer ? { devices: [], problems: answer.problems } : parseRocm(answer)
}

/** Asks a driver's program. A missing one that was not named gives no problem. @throws the signal's reason. */
export async function ask(
  program: string,
  args: readonly string[],
  { signal, limitMs = LIMIT_MS }: FindOptions,
  isNamed: boolean,
): Promise<ProgramResult | { problems: string[] }> {
  const limit = new AbortController()
  // Not awaited: a process that waits inside a driver cannot be killed.
  const late = new Promise<never>((_, reject) => {
    limit.signal.addEventListener('abort', () => reject(limit.signal.reason as Error))
  })
  const timer = startTimer(() => {
    const text = `'${program}' did not answer within ${formatDuration(limitMs)}: the GPU or its driver hangs. Restart the machine.`
    limit.abort(new AppError('timeout', text))
  }, limitMs)
  try {
    const both = AbortSignal.any([signal, limit.signal])
    return await Promise.race([runChild(program, args, { signal: both }), late])
  } catch (error) {
    signal.throwIfAborted()
    const isAbsent = error instanceof AppError && isSystemError(error.cause, 'ENOENT')
    return { problems: isAbsent && !isNamed ? [] : [messageOf(error)] }
  } finally {
    clearTimeout(timer)
  }
}
