import { once } from 'node:events'
import { createServer } from 'node:net'

/** Ports given out: some servers share a port with another rather than fail. */
const given = new Set<number>()

/** A free port of 127.0.0.1 that was not given out recently. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    server.close()
    await once(server, 'close')
    if (address === null || typeof address === 'string' || given.has(address.port)) continue
    given.add(address.port)
    // There are about 28 000 ports; older ones are taken or free again by now.
    if (given.size > 1_000) given.clear()
    return address.port
  }
}
