import { statfs } from 'node:fs/promises'

/** What a disk keeps free beside the files that are written to it, for everything else. */
export const RESERVE_BYTES = 64 * 1024 * 1024

/** The bytes that may be written to the disk of a folder. */
export type FreeBytes = (folder: string) => Promise<number>

/** @throws the system's error when there is no such folder. */
export const freeBytesOf: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
