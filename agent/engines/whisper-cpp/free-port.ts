import { once } from 'node:events'
import { createServer } from 'node:net'

/** Ports that were handed out: some servers share a port with another rather than fail. */
const given = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on, and that nobody was given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    server.close()
    await once(server, 'close')
    if (address === null || typeof address === 'string' || given.has(address.port)) continue
    given.add(address.port)
    // There are some 28 000 of them; those given long ago are long taken or free again.
    if (given.size > 1_000) given.clear()
    return address.port
  }
}
