import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { execa } from 'execa'

/** A file system of its own on this machine, gone when it is let go of. */
export interface Disk {
  readonly dir: string
  /** From now on nothing on it can be changed, or it can be again. */
  readOnly(is: boolean): Promise<void>
  release(): Promise<void>
}

/** Mounting is for root, or for one who may become it without being asked. */
async function asRoot(program: string, args: readonly string[]): Promise<boolean> {
  const isRoot = process.getuid?.() === 0
  const [command, rest] = isRoot ? [program, args] : ['sudo', ['-n', program, ...args]]
  return !(await execa(command, rest, { reject: false, stdio: 'ignore' })).failed
}

/** Why a test is skipped that has no disk. */
export const NO_MOUNT = 'it needs a small disk, and mounting one is not allowed here'

/**
 * A disk in memory of this size; null where mounting is not allowed.
 * @param files how many there may be on it, folders and its own among them.
 */
export async function mountDisk(bytes: number, files = 100_000): Promise<Disk | null> {
  if (process.platform !== 'linux') return null
  const root = mkdtempSync(path.join(os.tmpdir(), 'morag-disk-'))
  const dir = path.join(root, 'disk')
  mkdirSync(dir)
  const options = `size=${bytes},nr_inodes=${files},mode=0700,uid=${process.getuid!()},gid=${process.getgid!()}`
  if (!(await asRoot('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]))) {
    rmSync(root, { recursive: true })
    return null
  }
  return {
    dir,
    async readOnly(is) {
      if (!(await asRoot('mount', ['-o', `remount,${is ? 'ro' : 'rw'}`, dir])))
        throw new Error(`${dir} cannot be mounted otherwise`)
    },
    async release() {
      // A process that was killed a moment ago may still have files open on it.
      await asRoot('umount', ['--lazy', dir])
      rmSync(root, { recursive: true })
    },
  }
}

/** Why a test is skipped that needs a folder which no user can change. */
export const NO_FREEZE =
  'it needs a folder that root cannot write to either, and chattr cannot make one here'

/** Makes a folder one in which nothing can be made or removed; false where that cannot be. */
export async function freeze(folder: string): Promise<boolean> {
  if (process.getuid?.() === 0) return await asRoot('chattr', ['+i', folder])
  chmodSync(folder, 0o555)
  return true
}

export async function thaw(folder: string): Promise<void> {
  if (process.getuid?.() === 0) await asRoot('chattr', ['-i', folder])
  else chmodSync(folder, 0o755)
}
