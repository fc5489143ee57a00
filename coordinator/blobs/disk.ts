import { statfs } from 'node:fs/promises'

/** Space of a file system, for users other than root. */
export interface DiskSpace {
  freeBytes: number
  sizeBytes: number
}

/** Null when the system does not report it. */
export async function diskSpace(folder: string): Promise<DiskSpace | null> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
  } catch {
    return null
  }
}
