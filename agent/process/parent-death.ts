import { runChildSync } from '../../shared/start-child.ts'
import { findProgram } from './find-program.ts'
import { childEnv } from '../../shared/child-env.ts'

/** A program and its arguments. */
interface Command {
  file: string
  args: readonly string[]
}

/**
 * The command that the system kills when this process is gone, however that happened: what was killed itself can end
 * nothing any more, and a recogniser that goes on without its agent holds the GPU that the next one needs. The command
 * itself where nothing can do that, or where there is no such program: then starting it tells why.
 */
export function dyingWithUs(command: Command): Command {
  const setter = findSetter()
  if (setter === null || findProgram(command.file) === null) return command
  return { file: setter, args: [...FATE, '--', command.file, ...command.args] }
}

/** Why a program that was there could not be run after all, or null. */
export function notRunBecause(exitCode: number | undefined, stderr: string): string | null {
  if (exitCode !== 126 && exitCode !== 127) return null
  return /^setpriv: (.*)/m.exec(stderr)?.[1] ?? null
}

const FATE = ['--pdeathsig', 'KILL']

let known: string | null | undefined

/** `setpriv` of util-linux, looked for once; that of BusyBox does not know how. There is none outside of Linux. */
function findSetter(): string | null {
  if (known === undefined) known = process.platform === 'linux' ? look() : null
  return known
}

function look(): string | null {
  const program = findProgram('setpriv')
  if (program === null) return null
  const { exitCode } = runChildSync(program, [...FATE, '--', program, '--version'], {
    env: childEnv(),
  })
  return exitCode === 0 ? program : null
}
