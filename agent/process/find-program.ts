import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { childEnv } from '../../shared/child-env.ts'

/**
 * The full path of a program, or null: a path as it is, a name in the first folder that has it.
 * @param among folders; default: PATH.
 */
export function findProgram(
  wanted: string,
  among: readonly string[] = pathFolders(),
): string | null {
  const named = wanted.includes('/') || wanted.includes(path.sep)
  const folders = named ? [''] : among
  const endings = process.platform === 'win32' ? ['.exe', ''] : ['']
  const candidates = folders.flatMap((folder) =>
    endings.map((ending) => path.resolve(folder, `${wanted}${ending}`)),
  )
  return candidates.find(isProgram) ?? null
}

function pathFolders(): string[] {
  const folders = (childEnv()['PATH'] ?? '').split(path.delimiter)
  // An empty entry is the current folder.
  return folders.filter((folder) => folder !== '')
}

export function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
