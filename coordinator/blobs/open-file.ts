import type { Stats } from 'node:fs'
import { constants, open, type FileHandle } from 'node:fs/promises'

/**
 * Opens a file for reading, without blocking on a pipe in its place.
 * @param flags of `open`, beside those for reading.
 */
export async function openFile(
  name: string,
  flags = 0,
): Promise<{ file: FileHandle; facts: Stats }> {
  const file = await open(name, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  try {
    return { file, facts: await file.stat() }
  } catch (error) {
    await file.close()
    throw error
  }
}
