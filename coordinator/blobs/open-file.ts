import type { Stats } from 'node:fs'
import { constants, open, type FileHandle } from 'node:fs/promises'

/**
 * Opens a file for reading, and what it is. Without waiting: a pipe in the file's place opens only when somebody writes
 * to it.
 * @param flags of `open`, beside those for reading.
 * @throws what the system says; then nothing stays open.
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
