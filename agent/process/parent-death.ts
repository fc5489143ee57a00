import { runChildSync } from '../../shared/start-child.ts'
import type { CommandLine } from '../../shared/run-program.ts'
import { findProgram } from './find-program.ts'
import { childEnv } from '../../shared/child-env.ts'

/**
 * A command that the system kills when this process is gone: a killed agent cannot end its recogniser, which would keep
 * the GPU. The command itself where that is not possible, or where there is no such program: starting it then reports
 * why.
 */
export function dyingWithUs(command: CommandLine): CommandLine {
  const setter = findSetter()
  if (setter === null || findProgram(command.file) === null) return command
  return { file: setter, args: [...FATE, '--', command.file, ...command.args] }
}

/** Why setpriv could not run a program, or null. */
export function notRunBecause(exitCode: number | null | undefined, stderr: string): string | null {
  if (exitCode !== 126 && exitCode !== 127) return null
  return /^setpriv: (.*)/m.exec(stderr)?.[1] ?? null
}

const FATE = ['--pdeathsig', 'KILL']

let known: string | null | undefined

/** `setpriv` of util-linux (BusyBox's lacks the option); null outside Linux. */
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
