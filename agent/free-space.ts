import { randomUUID } from 'node:crypto'
import { rm, statfs, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** Left free on a disk, beside the files that are written. */
export const RESERVE_BYTES = 64 * 1024 * 1024

export type FreeBytes = (folder: string) => Promise<number>

/** @throws the system's error when there is no such folder. */
export const freeBytesOf: FreeBytes = async (folder) => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

const PROBE = Buffer.alloc(64 * 1024)

/** Writes a little into a folder: quotas and a lack of inodes show only then. @throws the system's error. */
export async function writeProbe(folder: string): Promise<void> {
  const file = path.join(folder, `.probe-${randomUUID()}`)
  try {
    await writeFile(file, PROBE, { mode: 0o600 })
  } finally {
    await rm(file, { force: true })
  }
}
