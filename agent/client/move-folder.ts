import { cp, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { sync } from '../../shared/replace-file.ts'

/** Moves a folder of files, also to another file system, and replaces the target. Leaves no target when it fails. */
export async function moveFolder(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  try {
    for (const name of await readdir(from)) await sync(path.join(from, name))
    await rename(from, to).catch(async (error: unknown) => {
      if (!isSystemError(error, 'EXDEV')) throw error
      await cp(from, to, { recursive: true })
      for (const name of await readdir(to)) await sync(path.join(to, name))
      await rm(from, { recursive: true, force: true })
    })
  } catch (error) {
    await rm(to, { recursive: true, force: true })
    throw error
  }
}
