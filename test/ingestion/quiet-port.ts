import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A free port that stays free while no process listens on it: the system hands out none of these for port 0, so
 * that a server may go and come back.
 */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
