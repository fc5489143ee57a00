import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'

/** Modes of files and folders: they hold recordings, transcripts and webhook keys. */
export const PRIVATE_FILE = 0o600
export const PRIVATE_FOLDER = 0o700

/** Makes a private folder and its parents, durably. */
export function makeFolder(dir: string): void {
  const first = mkdirSync(dir, { recursive: true, mode: PRIVATE_FOLDER })
  for (let made = path.resolve(dir); ; made = path.dirname(made)) {
    syncFolder(path.dirname(made))
    if (first === undefined || made === path.resolve(first) || made === path.dirname(made)) return
  }
}

/** As {@link makeFolder}; also closes an existing folder that is open to others. */
export function makePrivateFolder(dir: string): void {
  makeFolder(dir)
  if (!isOpenToOthers(dir)) return
  try {
    chmodSync(dir, PRIVATE_FOLDER)
  } catch (error) {
    // It belongs to another user, who has to close it.
    if (!isSystemError(error, 'EPERM', 'EROFS')) throw error
  }
}

/** Whether other users have rights on it. */
export function isOpenToOthers(file: string): boolean {
  return (statSync(file).mode & 0o077) !== 0
}

function syncFolder(dir: string): void {
  let handle: number
  try {
    handle = openSync(dir, 'r')
  } catch (error) {
    // Readable only by its owner, who has to sync it.
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
