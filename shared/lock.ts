import { randomUUID } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { isSystemError } from './errors.ts'
import { delay } from './timers.ts'

export interface FolderLock {
  /**
   * False once the lock's name or its folder was removed or replaced: another process may hold it by now. Anyone with
   * write access can do that, so check regularly.
   */
  isOurs(): boolean
  release(): Promise<void>
}

/** The limit of a socket address, in bytes; a longer path goes through the folder's descriptor. */
const MAX_SOCKET_PATH = 100

/**
 * Locks a folder for this process; null when a live process holds it.
 *
 * The lock is a listening Unix socket named `lock`: the kernel closes it when its owner dies, so a stale one refuses
 * connections. Process ids would mean nothing in another container. The socket gets that name once it listens, by link when
 * the name is free and by rename over a stale one: Node removes the name that a server was opened under when it closes,
 * and a loser must not remove the winner's.
 *
 * @param onVisitor serves connections: see {@link visitLock}.
 */
export async function lockFolder(
  folder: string,
  onVisitor: (socket: Socket) => void = (socket) => socket.end(),
): Promise<FolderLock | null> {
  const directory = await open(folder, 'r')
  const own = `lock.${randomUUID()}`
  const place = (name: string): string => addressOf(folder, directory, name)
  const server = createServer((socket) => {
    // A visitor may disconnect at any time.
    socket.on('error', () => socket.destroy())
    onVisitor(socket)
  })
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.close(() => resolve()))
    await directory.close()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(place(own), resolve)
    })
    // Only the owner's user may connect.
    chmodSync(place(own), 0o600)
    const ours = inodeOf(place(own))
    if (!(await takeName(place(own), place('lock')))) {
      await close()
      return null
    }
    server.unref()
    return {
      isOurs: () => isNamed(path.join(folder, 'lock'), ours),
      async release() {
        if (inodeOf(place('lock')) === ours) unlinkSync(place('lock'))
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** A connection to the process that holds a folder; null: none does. @throws when there is no such folder. */
export async function visitLock(folder: string): Promise<Socket | null> {
  const directory = await open(folder, 'r')
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(addressOf(folder, directory, 'lock'))
      socket.once('connect', () => resolve(socket))
      socket.once('error', (error) =>
        isSystemError(error, 'ECONNREFUSED', 'ENOENT') ? resolve(null) : reject(error),
      )
    })
  } finally {
    await directory.close()
  }
}

function addressOf(folder: string, directory: FileHandle, name: string): string {
  const plain = path.join(folder, name)
  const isLong = Buffer.byteLength(path.join(folder, `lock.${randomUUID()}`)) > MAX_SOCKET_PATH
  return isLong ? `/proc/self/fd/${directory.fd}/${name}` : plain
}

/** Gives the listening socket the lock's name; false when a live process has it. */
async function takeName(own: string, lock: string): Promise<boolean> {
  const ours = inodeOf(own)
  for (;;) {
    try {
      linkSync(own, lock)
      unlinkSync(own)
      return true
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    }
    const found = inodeOf(lock)
    if (found !== null && (await answers(lock))) return false
    // Replaced or released meanwhile: look again.
    if (found === null || inodeOf(lock) !== found) continue
    renameSync(own, lock)
    // Another starter may have found the same stale socket, and its rename came after ours.
    await delay(50)
    return inodeOf(lock) === ours
  }
}

function inodeOf(file: string): number | null {
  return lstatSync(file, { throwIfNoEntry: false })?.ino ?? null
}

/** Whether a name is still that inode's; a name that cannot be read for now counts as unchanged. */
function isNamed(file: string, inode: number | null): boolean {
  try {
    return inodeOf(file) === inode
  } catch (error) {
    return !isSystemError(error, 'ENOTDIR')
  }
}

/** Only a refused connection shows that the owner is gone. */
async function answers(address: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => resolve(!isSystemError(error, 'ECONNREFUSED', 'ENOENT')))
  })
}
