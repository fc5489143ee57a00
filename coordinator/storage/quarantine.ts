import { existsSync, renameSync } from 'node:fs'
import path from 'node:path'
import { makePrivateFolder } from './private-folder.ts'

/**
 * Puts a file of a data folder into its `quarantine/`, beside those that have its name.
 * @param file its path in the data folder.
 */
export function putAside(dataDir: string, file: string): void {
  const folder = path.join(dataDir, 'quarantine')
  makePrivateFolder(folder)
  const name = file.replaceAll(path.sep, '-')
  let target = path.join(folder, name)
  for (let n = 1; existsSync(target); n += 1) target = path.join(folder, `${name}.${n}`)
  renameSync(path.join(dataDir, file), target)
}
