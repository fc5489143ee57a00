import { readdir, realpath } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'

/** System folders of programs and their libraries, without settings and users' files. */
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

interface Program {
  file: string
  parts: string[]
}

const LIBRARY = /\.so(\.\d+)*$/

/**
 * A program's files: itself, the target of its link, the shared libraries beside each, and `lib` beside a folder named
 * `bin`. Not their folders: a program may lie in a home or among downloads.
 * @param opened what else it can access: no folder that contains some of it is included.
 */
export async function programOf(tool: string, opened: readonly string[]): Promise<Program> {
  const real = await realpath(tool).catch(() => tool)
  // A system's link to a file elsewhere may lead over links that are not visible.
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
