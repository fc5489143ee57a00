import { randomUUID } from 'node:crypto'
import { open, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

export interface ReplaceOptions {
  /** Where to write it first: a new file on the same file system. */
  temporary?: string
  /** Called before the rename. */
  prepare?: (temporary: string) => Promise<void>
  /** False: a crash may lose it. */
  isDurable?: boolean
}

/** Writes a file for its owner only, as a whole, in place of an earlier one. A failed write leaves nothing behind. */
export async function replaceFile(
  file: string,
  content: string | Uint8Array,
  { temporary = `${file}.${randomUUID()}.tmp`, prepare, isDurable = true }: ReplaceOptions = {},
): Promise<void> {
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600, flush: isDurable })
    await prepare?.(temporary)
    await rename(temporary, file)
    if (isDurable) await sync(path.dirname(file))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Makes a file's content, or a folder's names, durable. */
export async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
