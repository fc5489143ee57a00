import { childEnv } from '../../shared/child-env.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { runChild } from '../process/run-child.ts'
import { findProgram } from '../process/find-program.ts'
import type { CommandLine } from '../../shared/run-program.ts'
import type { Tools } from './find-ffmpeg.ts'
import { programOf, SYSTEM } from './program-parts.ts'

export const SANDBOXES = ['auto', 'bwrap', 'none'] as const
/** For programs that read untrusted files; `auto`: bubblewrap where it works. */
export type SandboxKind = (typeof SANDBOXES)[number]

export interface Sandbox {
  program: string
  /** Flags of the namespaces that are not shared. */
  unshare: readonly string[]
}

/** All namespaces; else those that our systemd unit allows, in which other processes may be signalled. */
const UNSHARED = [['--unshare-all'], ['--unshare-user', '--unshare-net']] as const

export interface Lock {
  sandbox: Sandbox | null
  unlocked?: string
}

/** Without a sandbox they see what the agent sees. */
export type MediaTools = Tools & Partial<Lock>

/** What a sandboxed program sees of the disk, beside itself. */
export interface Openings {
  files: readonly string[]
  /** The only writable folder; null: none. */
  folder: string | null
}

/**
 * bubblewrap's arguments: no network, no other processes, no capabilities; of the disk only the system, the program and
 * its openings (at their own paths), and an empty `/tmp`.
 * @param parts the program's files, as full paths.
 */
export function sandboxArgs(
  parts: readonly string[],
  { files, folder }: Openings,
  unshare: readonly string[] = UNSHARED[0],
): string[] {
  return [
    ...unshare,
    '--die-with-parent',
    '--cap-drop',
    'ALL',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    ...shown(SYSTEM),
    ...(folder === null ? [] : ['--bind', folder, folder]),
    // After the folder, which may contain them: both stay read-only.
    ...shown(parts),
    ...files.flatMap((file) => ['--ro-bind', file, file]),
    '--chdir',
    folder ?? '/',
    '--',
  ]
}

function shown(places: readonly string[]): string[] {
  return places.flatMap((place) => ['--ro-bind-try', place, place])
}

export async function lockedIn(
  { program, unshare }: Sandbox,
  command: CommandLine,
  openings: Openings,
): Promise<{ file: string; args: string[] }> {
  const tool = findProgram(command.file) ?? command.file
  const { files, folder } = openings
  const opened = folder === null ? files : [...files, folder]
  const { file, parts } = await programOf(tool, opened)
  const args = [...sandboxArgs(parts, openings, unshare), file, ...command.args]
  return { file: program, args }
}

/**
 * A sandbox in which the commands exit with 0.
 * @throws {AppError} `usage` when bubblewrap is required and does not work, with the fix.
 */
export async function findSandbox(
  kind: SandboxKind,
  commands: readonly CommandLine[],
  signal: AbortSignal,
): Promise<Lock> {
  if (kind === 'none') return { sandbox: null, unlocked: 'none is asked for (--sandbox)' }
  const program = findProgram('bwrap')
  let unlocked = MISSING
  for (const unshare of program === null ? [] : UNSHARED) {
    const sandbox = { program: program!, unshare }
    const problem = await problemOf(sandbox, commands, signal)
    if (problem === null) return { sandbox }
    unlocked = problem
  }
  if (kind === 'auto') return { sandbox: null, unlocked }
  throw new AppError(
    'usage',
    `--sandbox bwrap (MORAG_SANDBOX) cannot be used: ${unlocked}, or leave it out.`,
  )
}

const MISSING =
  process.platform === 'linux'
    ? 'bubblewrap is not here. Install it (for example: apt-get install bubblewrap)'
    : 'bubblewrap is not here, and works on Linux only'

async function problemOf(
  sandbox: Sandbox,
  commands: readonly CommandLine[],
  signal: AbortSignal,
): Promise<string | null> {
  for (const command of commands) {
    const { file, args } = await lockedIn(sandbox, command, { files: [], folder: null })
    try {
      const { exitCode, stderrTail } = await runChild(file, args, { signal, env: toolEnv() })
      if (exitCode === 0) continue
      const said = printable(stderrTail, { most: 300 }) || `it ended with ${exitCode}`
      return `${command.file} does not start in it (${said}). It takes user namespaces, which containers often do not allow`
    } catch (error) {
      signal.throwIfAborted()
      return messageOf(error)
    }
  }
  return null
}

/**
 * The environment of ffmpeg and ffprobe. A static build that loads the character sets of another glibc crashes (npm's
 * ffprobe does, on every MPEG transport stream): it must find none. Nothing that is read needs them.
 */
export function toolEnv(): Record<string, string> {
  return { ...childEnv(), GCONV_PATH: '/nonexistent' }
}
