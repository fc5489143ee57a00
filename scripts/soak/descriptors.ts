import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'

/** What it may open beyond what it has. */
const SPARE = 6
const IDLE_CONNECTIONS = 100

/**
 * Lets a process open hardly any files more for a while, and holds idle connections to its port meanwhile.
 * @returns false where a limit cannot be set from outside (Linux, by `prlimit`).
 */
export async function starveOfDescriptors(pid: number, port: number, ms: number): Promise<boolean> {
  let open: number
  let usual: string
  try {
    open = (await readdir(`/proc/${pid}/fd`)).length
    usual = /^Max open files +(\d+)/m.exec(await readFile(`/proc/${pid}/limits`, 'utf8'))![1]!
    await limit(pid, String(open + SPARE))
  } catch {
    return false
  }
  const idle = await Promise.all(
    Array.from({ length: IDLE_CONNECTIONS }, async () => await idleConnection(port)),
  )
  await delay(ms)
  for (const socket of idle) socket.destroy()
  // It may have been killed meanwhile.
  await limit(pid, usual).catch(() => undefined)
  return true
}

/** Sets the soft limit; the hard one stays. */
async function limit(pid: number, most: string): Promise<void> {
  await execa('prlimit', ['--pid', String(pid), `--nofile=${most}:`])
}

/** One that says nothing; whether it is taken is not its business. */
async function idleConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined)
  return socket
}
