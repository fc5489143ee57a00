import { readdir, realpath } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'

/** Where systems keep programs and what those need. No settings and nobody's files. */
export const SYSTEM = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/etc/ld.so.cache',
  '/etc/alternatives',
  '/nix/store',
  '/gnu/store',
]

/** A program, and what it needs of the disk beside the system, as full paths. */
interface Program {
  file: string
  parts: string[]
}

const LIBRARY = /\.so(\.\d+)*$/

/**
 * What a program is made of: itself and the file behind a link, the shared libraries beside each, and `lib` beside a
 * folder named `bin`. Not their folders: a program may lie in a home or among downloads.
 * @param opened what else is opened to it: no folder that holds some of that is among the parts.
 */
export async function programOf(tool: string, opened: readonly string[]): Promise<Program> {
  const real = await realpath(tool).catch(() => tool)
  // The way from a link of the system to a file elsewhere may lead over links that are not shown.
  const file = isOfSystem(tool) ? real : tool
  const files = [...new Set([file, real])].filter((one) => !isOfSystem(one))
  const folders = [...new Set(files.map((one) => path.dirname(one)))]
  const beside = await Promise.all(folders.map(librariesIn))
  const own = [homedir(), tmpdir(), ...opened]
  const lib = folders
    .filter((folder) => path.basename(folder) === 'bin')
    .map((folder) => path.join(folder, '..', 'lib'))
    .filter((folder) => !own.some((one) => isWithin(one, folder)))
  return { file, parts: [...files, ...beside.flat(), ...lib] }
}

async function librariesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => LIBRARY.test(name)).map((name) => path.join(folder, name))
}

function isOfSystem(file: string): boolean {
  return SYSTEM.some((folder) => isWithin(file, folder))
}

function isWithin(one: string, folder: string): boolean {
  const way = path.relative(folder, one)
  return way === '' || !(way === '..' || way.startsWith(`..${path.sep}`) || path.isAbsolute(way))
}
