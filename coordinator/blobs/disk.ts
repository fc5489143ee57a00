import { statfs } from 'node:fs/promises'

/** How much a file system has, for one who may not be root. */
export interface DiskSpace {
  freeBytes: number
  sizeBytes: number
}

/** The space where a folder is; null when the system does not say. */
export async function diskSpace(folder: string): Promise<DiskSpace | null> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
  } catch {
    return null
  }
}
