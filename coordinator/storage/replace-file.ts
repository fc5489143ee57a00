import { randomUUID } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PRIVATE_FILE } from './private-folder.ts'
import { syncDirectory } from './sync.ts'

export interface ReplaceOptions {
  /** Where to write it first: a new file on the same file system. */
  temporary?: string
  /** Called before the rename. */
  prepare?: (temporary: string) => Promise<void>
  /** False: a crash may lose it. */
  isDurable?: boolean
}

/** Writes a private file as a whole, in place of an earlier one. A failed write leaves nothing behind. */
export async function replaceFile(
  file: string,
  content: string | Uint8Array,
  { temporary = `${file}.${randomUUID()}.tmp`, prepare, isDurable = true }: ReplaceOptions = {},
): Promise<void> {
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: PRIVATE_FILE, flush: isDurable })
    await prepare?.(temporary)
    await rename(temporary, file)
    if (isDurable) await syncDirectory(path.dirname(file))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}
