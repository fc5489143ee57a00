import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'

/** What files of ours are made with: they hold recordings, transcripts and the keys of webhooks. */
export const PRIVATE_FILE = 0o600
export const PRIVATE_FOLDER = 0o700

/** Makes a folder, with those above it, for its owner alone. Their names are durable, whoever has made them. */
export function makeFolder(dir: string): void {
  const first = mkdirSync(dir, { recursive: true, mode: PRIVATE_FOLDER })
  for (let made = path.resolve(dir); ; made = path.dirname(made)) {
    syncFolder(path.dirname(made))
    if (first === undefined || made === path.resolve(first) || made === path.dirname(made)) return
  }
}

/** {@link makeFolder}, and closes one that was open to others, as earlier versions made them. */
export function makePrivateFolder(dir: string): void {
  makeFolder(dir)
  if (!isOpenToOthers(dir)) return
  try {
    chmodSync(dir, PRIVATE_FOLDER)
  } catch (error) {
    // It is another user's, who has let us in: theirs to close.
    if (!isSystemError(error, 'EPERM', 'EROFS')) throw error
  }
}

/** Whether others than its owner may do anything there. */
export function isOpenToOthers(file: string): boolean {
  return (statSync(file).mode & 0o077) !== 0
}

function syncFolder(dir: string): void {
  let handle: number
  try {
    handle = openSync(dir, 'r')
  } catch (error) {
    // Passed through, but not to be read: whoever made it has to answer for its names.
    if (isSystemError(error, 'EACCES')) return
    throw error
  }
  try {
    fsyncSync(handle)
  } catch (error) {
    // Some file systems sync no folders.
    if (!isSystemError(error, 'EINVAL', 'ENOTSUP')) throw error
  } finally {
    closeSync(handle)
  }
}
