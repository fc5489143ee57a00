/**
 * A TCP proxy that cuts connections: `proxy-process.ts <target port> <seed>`. It says `{"port"}` once, and then every
 * second `{"cuts"}`, how many there were so far. After SIGUSR2 it cuts no more.
 */
import { connect, createServer, type AddressInfo } from 'node:net'
import { seededRandom } from '../../test/shared/seeded-random.ts'

const [target, seed] = process.argv.slice(2).map(Number)
const random = seededRandom(seed!)
const CUT = 0.3
const LONGEST_MS = 20_000
let isCalm = false
let cuts = 0

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const server = createServer((client) => {
  const upstream = connect(target!, '127.0.0.1')
  const end = (): void => {
    client.destroy()
    upstream.destroy()
  }
  // Mostly soon, so that requests are met and not only pauses.
  const cut =
    random() < CUT
      ? setTimeout(
          () => {
            if (isCalm || client.destroyed) return
            cuts += 1
            end()
          },
          LONGEST_MS * random() ** 2,
        )
      : undefined
  for (const socket of [client, upstream]) {
    socket.on('error', end)
    socket.on('close', () => {
      clearTimeout(cut)
      end()
    })
  }
  client.pipe(upstream)
  upstream.pipe(client)
})
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
process.on('SIGUSR2', () => (isCalm = true))
// Whoever started it is gone.
process.stdin.on('end', () => process.exit()).resume()
setInterval(() => say({ cuts }), 1_000)
