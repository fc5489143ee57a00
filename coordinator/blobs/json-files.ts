import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { removeLeftovers, type FolderUse } from './leftovers.ts'
import { makePrivateFolder } from '../storage/private-folder.ts'

/** Files of jobs: `<folder>/<job id>.json`. */
export class JsonFiles {
  readonly #dir: string

  /** @param dir as {@link jsonFolder} gives it. */
  constructor(dir: string) {
    this.#dir = dir
  }

  path(jobId: string): string {
    return path.join(this.#dir, `${jobId}.json`)
  }

  async size(jobId: string): Promise<number> {
    return (await stat(this.path(jobId)).catch(() => null))?.size ?? 0
  }

  /** @returns the bytes freed. */
  async remove(jobId: string): Promise<number> {
    const size = await this.size(jobId)
    await rm(this.path(jobId), { force: true })
    return size
  }

  /** The jobs with a file. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).map((name) => path.basename(name, '.json'))
  }
}

/** Makes a folder of the data folder for {@link JsonFiles}, without incomplete files. @returns its path. */
export async function jsonFolder(dataDir: string, name: string, use: FolderUse): Promise<string> {
  const dir = path.join(dataDir, name)
  makePrivateFolder(dir)
  await removeLeftovers(dir, use, (entry) => !entry.endsWith('.json'))
  return dir
}
