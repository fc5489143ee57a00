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

/** Of `statfs` on Linux: ext2 to ext4, XFS, Btrfs, ZFS, tmpfs, and containers' overlayfs. */
const LOCAL_TYPES = [0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x01021994, 0x794c7630]

/** Whether a folder is certainly on a disk of this machine, where a question about a file never waits for a network. */
export async function isLocal(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false
  const { type } = await statfs(folder)
  // Some architectures report it with its sign.
  return LOCAL_TYPES.includes(type >>> 0)
}
