import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * The folder of a repository in Hugging Face's cache that holds all of `files`: of the main branch, else of any. A cut
 * download leaves a dangling link, which counts as missing.
 */
export function cachedIn(hub: string, repository: string, files: readonly string[]): string | null {
  const home = path.join(hub, `models--${repository.replace('/', '--')}`)
  const snapshots = path.join(home, 'snapshots')
  if (!existsSync(snapshots)) return null
  const ref = path.join(home, 'refs', 'main')
  const main = existsSync(ref) ? [readFileSync(ref, 'utf8').trim()] : []
  const folders = [...main, ...readdirSync(snapshots)].map((name) => path.join(snapshots, name))
  return folders.find((folder) => holds(folder, files)) ?? null
}

export function holds(folder: string, files: readonly string[]): boolean {
  return files.every((file) => existsSync(path.join(folder, file)))
}
