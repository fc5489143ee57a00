/**
 * A bad TCP line: `bad-line-process.ts <target port> <delay ms>`. What comes arrives so much later, and a connection that
 * has brought an answer of some length is cut, another length each time. From SIGUSR1 to SIGUSR2 nothing gets through.
 * It says `{"port"}` once, and `{"cuts"}` at each cut.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import { seededRandom } from '../shared/seeded-random.ts'

const [target, delayMs] = process.argv.slice(2).map(Number)
const random = seededRandom(1)
const MOST_BYTES = 2_000_000
let isOut = false
let cuts = 0
const waiting = new Set<() => void>()

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

/** Passes each piece on later, the next after it. */
function slowed(): Transform {
  return new Transform({
    transform(piece: Buffer, _: BufferEncoding, done: TransformCallback) {
      const pass = (): void => done(null, piece)
      setTimeout(() => (isOut ? waiting.add(pass) : pass()), delayMs)
    },
  })
}

function join(client: Socket, upstream: Socket): void {
  const end = (): void => {
    client.destroy()
    upstream.destroy()
  }
  let left = MOST_BYTES * random()
  upstream.on('data', (piece) => {
    left -= piece.length
    if (left > 0 || client.destroyed) return
    cuts += 1
    say({ cuts })
    end()
  })
  for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
  client.pipe(slowed()).pipe(upstream)
  upstream.pipe(slowed()).pipe(client)
}

const server = createServer((client) => join(client, connect(target!, '127.0.0.1')))
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
process.on('SIGUSR1', () => (isOut = true))
process.on('SIGUSR2', () => {
  isOut = false
  for (const pass of waiting) pass()
  waiting.clear()
})
// Whoever started it is gone.
process.stdin.on('end', () => process.exit()).resume()
