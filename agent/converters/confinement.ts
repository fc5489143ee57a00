import { availableParallelism, totalmem } from 'node:os'
import type { CommandLine } from '../../shared/run-program.ts'
import { SECOND } from '../../shared/duration.ts'
import { dyingWithUs } from '../process/parent-death.ts'
import { findLimiter, limited, type ChildLimits } from '../media/child-limits.ts'
import { sandboxArgs, type Sandbox } from '../media/sandbox.ts'
import { filesOf } from './program-files.ts'

const GIB = 1024 ** 3

export interface Confinement {
  sandbox: Sandbox | null
  input: string
  cwd: string
  limitMs: number
}

/**
 * Wraps a command: within limits, in the sandbox if there is one, and killed when the agent dies.
 * @param command the program by its full path.
 */
export async function confined(
  command: CommandLine,
  confinement: Confinement,
): Promise<CommandLine> {
  const { sandbox, input, cwd, limitMs } = confinement
  const locked = sandbox === null ? command : await lockedIn(sandbox, command, input, cwd)
  return dyingWithUs(limited(locked, limitsFor(limitMs), findLimiter()))
}

async function lockedIn(
  { program, unshare }: Sandbox,
  { file, args }: CommandLine,
  input: string,
  cwd: string,
): Promise<CommandLine> {
  // The input has an opening of its own.
  const others = args.filter((arg) => arg !== input)
  const openings = { files: [input], folder: cwd }
  const before = sandboxArgs(await filesOf(file, others), openings, unshare)
  return { file: program, args: [...before, file, ...args] }
}

/** Generous: converters may be any program, but must not take the whole machine. */
function limitsFor(limitMs: number): ChildLimits {
  return {
    cpuSeconds: Math.ceil(limitMs / SECOND) * availableParallelism(),
    fileBytes: GIB,
    openFiles: 4096,
    memoryBytes: Math.max(4 * GIB, Math.floor(totalmem() / 2)),
  }
}
