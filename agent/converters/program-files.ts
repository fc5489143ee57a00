import { existsSync } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import path from 'node:path'
import { findProgram } from '../process/find-program.ts'

/** As many levels as Linux follows. */
const MOST_INTERPRETERS = 4
const FIRST_LINE_BYTES = 512

/**
 * What a sandboxed program must see of the disk, beside the system: its own files, its interpreter if it is a script, and
 * the files and folders that its command names by their full path.
 * @param program its full path.
 */
export async function filesOf(program: string, args: readonly string[]): Promise<string[]> {
  const files = [...(await partsOf(program)), ...args.flatMap(namedIn)]
  return [...new Set(files)]
}

/** `--models=/srv/models` and `/srv/models`. */
function namedIn(arg: string): string[] {
  return [arg, arg.slice(arg.indexOf('=') + 1)].filter(
    // `/` as an argument does not mean the whole disk.
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
 * The program alone, unless it is installed in a Python environment, in node_modules, or in a `bin` beside `lib` and
 * `share`. Any other folder may hold private files.
 */
function belongingTo(file: string): string[] {
  const packages = /^.*?\/node_modules(?=\/)/.exec(file)?.[0]
  if (packages !== undefined) return [packages]
  const folder = path.dirname(file)
  if (path.basename(folder) !== 'bin') return [file]
  const prefix = path.dirname(folder)
  // ~/.local/share holds data of all programs.
  const shared = path.basename(prefix) === '.local' ? [] : [path.join(prefix, 'share')]
  return environmentOf(file) ?? [folder, path.join(prefix, 'lib'), ...shared]
}

/** The full path of a script's interpreter; null: it is no script. */
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
