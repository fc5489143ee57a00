import { rename, rm } from 'node:fs/promises'
import { isSystemError } from '../../shared/errors.ts'

/**
 * Moves a new file or folder into place, and removes a folder that was there. The second of two processes finds a good
 * one.
 * @param old where the old one is moved first.
 * @param isGood whether what is in place by now will do.
 */
export async function install(
  made: string,
  place: string,
  old: string,
  isGood: () => Promise<boolean>,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await rename(made, place)
      return
    } catch (error) {
      const isThere = isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EISDIR')
      if (tries === 3 || !isThere) throw error
    }
    if (await isGood()) return
    await rename(place, `${old}-${tries}`).catch((error: unknown) => {
      if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
    })
    await rm(`${old}-${tries}`, { recursive: true, force: true })
  }
}
