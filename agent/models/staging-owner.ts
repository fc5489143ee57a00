import { hostname } from 'node:os'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { visitLock } from '../../shared/lock.ts'
import { printable } from '../../shared/printable.ts'

/** Whoever is there answers at once; one that was stopped never does. */
const PATIENCE_MS = 1_000

/** Tells who knocks at a lock of ours who we are. */
export function tellOwner(socket: Socket): void {
  socket.end(`process ${process.pid} on ${hostname()}`)
}

/** Who has the lock of a folder, in words for a sentence. */
export async function ownerOf(folder: string): Promise<string> {
  const socket = await visitLock(folder).catch(() => null)
  if (socket === null) return 'another process'
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('it does not answer')))
  const said = await text(socket).catch(() => null)
  if (said === null) return 'another process, which does not answer,'
  return printable(said, { most: 200 }) || 'another process'
}
