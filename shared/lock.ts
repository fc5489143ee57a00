import { open, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isSystemError } from './errors.ts'

/** A folder that is ours until we let go of it. */
export interface FolderLock {
  release(): Promise<void>
}

/** A socket's address holds about this many bytes; a longer path goes through the folder's descriptor. */
const MAX_SOCKET_PATH = 100

/**
 * Takes a folder for this process alone, or returns null when a live process has it.
 *
 * The lock is a listening Unix socket named `lock`: the kernel closes it when its owner dies, however it dies, so a
 * stale one shows itself by refusing connections. No process ids, which mean nothing in another container.
 */
export async function lockFolder(folder: string): Promise<FolderLock | null> {
  const file = path.join(folder, 'lock')
  const directory = await open(folder, 'r')
  const address =
    Buffer.byteLength(file) > MAX_SOCKET_PATH ? `/proc/self/fd/${directory.fd}/lock` : file
  try {
    let server = await listen(address)
    if (server === null) {
      if (await answers(address)) return await refuse(directory)
      await unlink(file).catch(ignoreMissing)
      server = await listen(address)
      if (server === null) return await refuse(directory)
      // Another starter may have found the same stale socket and replaced ours after we made it.
      const { ino } = await stat(file)
      await delay(50)
      const now = await stat(file).catch(() => null)
      if (now?.ino !== ino) {
        server.close()
        return await refuse(directory)
      }
    }
    server.unref()
    const held = server
    return {
      async release() {
        await new Promise<void>((resolve) => held.close(() => resolve()))
        await directory.close()
      },
    }
  } catch (error) {
    await directory.close()
    throw error
  }
}

async function refuse(directory: { close(): Promise<void> }): Promise<null> {
  await directory.close()
  return null
}

/** The server, or null when the address is taken (by a live process or by a dead one's leftover). */
async function listen(address: string): Promise<Server | null> {
  const server = createServer((socket) => socket.end())
  return await new Promise((resolve, reject) => {
    server.once('error', (error) =>
      isSystemError(error, 'EADDRINUSE') ? resolve(null) : reject(error),
    )
    server.listen(address, () => resolve(server))
  })
}

async function answers(address: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function ignoreMissing(error: unknown): void {
  if (!isSystemError(error, 'ENOENT')) throw error
}
