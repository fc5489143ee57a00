import { existsSync } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import path from 'node:path'
import { findProgram } from '../process/find-program.ts'

/** A script may be run by a script; a system follows no more of them either. */
const MOST_INTERPRETERS = 4
const FIRST_LINE_BYTES = 512

/**
 * What a locked-in program has to see of the disk, beside the system: itself and what belongs to it, what runs it where
 * it is a script, and the files and folders that its own command names by their full path.
 * @param program its full path.
 */
export async function filesOf(program: string, args: readonly string[]): Promise<string[]> {
  const files = [...(await partsOf(program)), ...args.flatMap(namedIn)]
  return [...new Set(files)]
}

/** `--models=/srv/models` and `/srv/models`. */
function namedIn(arg: string): string[] {
  return [arg, arg.slice(arg.indexOf('=') + 1)].filter(
    // All there is, is not what somebody means who writes a slash.
    (one) => path.isAbsolute(one) && path.resolve(one) !== '/' && existsSync(one),
  )
}

async function partsOf(program: string, depth = 0): Promise<string[]> {
  const real = await realpath(program).catch(() => program)
  const parts = [...(environmentOf(program) ?? [program]), ...belongingTo(real)]
  const interpreter = depth < MOST_INTERPRETERS ? await interpreterOf(real) : null
  return interpreter === null ? parts : [...parts, ...(await partsOf(interpreter, depth + 1))]
}

/** The Python environment that a program, or the link to it, lies in. */
function environmentOf(file: string): [string] | null {
  const prefix = path.join(path.dirname(file), '..')
  return existsSync(path.join(prefix, 'pyvenv.cfg')) ? [prefix] : null
}

/**
 * A program alone, but where it lies as installed programs do: in a Python environment, among the packages of Node, in a
 * `bin` beside `lib` and `share`. The folder of one that lies anywhere else may hold whatever its owner keeps there.
 */
function belongingTo(file: string): string[] {
  const packages = /^.*?\/node_modules(?=\/)/.exec(file)?.[0]
  if (packages !== undefined) return [packages]
  const folder = path.dirname(file)
  if (path.basename(folder) !== 'bin') return [file]
  const prefix = path.dirname(folder)
  // There it is what all of a person's programs have written.
  const shared = path.basename(prefix) === '.local' ? [] : [path.join(prefix, 'share')]
  return environmentOf(file) ?? [folder, path.join(prefix, 'lib'), ...shared]
}

/** What the first line of a script says that runs it, as a full path; null: it is no script. */
async function interpreterOf(file: string): Promise<string | null> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FIRST_LINE_BYTES), 0)
    const head = buffer.toString('utf8', 0, bytesRead)
    const [, named, first] = /^#! *(\S+)(?:[ \t]+(?:-S[ \t]+)?(\S+))?/.exec(head) ?? []
    if (named === undefined) return null
    return path.basename(named) === 'env' ? findProgram(first ?? '') : findProgram(named)
  } finally {
    await handle.close()
  }
}
