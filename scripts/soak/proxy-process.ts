/**
 * A proxy that cuts connections: `proxy-process.ts <seed> <target port>…`. To one target it passes bytes on, between
 * several it balances requests. It says `{"port"}` once, and then every second `{"cuts"}`, how many there were so far.
 * After `{"calm": true}` it cuts no more; after `{"edge": true}` it answers every request by itself, until
 * `{"edge": false}`.
 */
import { createServer as createHttp } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { pick, seededRandom } from '../../test/shared/seeded-random.ts'
import { openFront } from './front.ts'

const [seed, ...targets] = process.argv.slice(2).map(Number)
const random = seededRandom(seed!)
const CUT = 0.3
const LONGEST_MS = 20_000
/** What edges say while their backend is away, or to what they do not like. */
const STATUSES = [404, 403, 502, 302, 413] as const
let isCalm = false
let isEdge = false
let cuts = 0
const ends = new Set<() => void>()

const edge = createHttp((request, response) => {
  request.resume()
  const status = pick(random, STATUSES)
  response.writeHead(status, {
    server: 'edge',
    'content-type': 'text/html',
    connection: 'close',
    ...(status === 302 && { location: '/maintenance' }),
  })
  response.end(`<html><head><title>${status}</title></head><body>nginx</body></html>`)
})
const front = targets.length > 1 ? openFront(targets, (socket) => mayCut([socket])) : null

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const server = createServer((client) => {
  if (isEdge) edge.emit('connection', client)
  else if (front === null) pass(client)
  else {
    mayCut([client])
    front.emit('connection', client)
  }
})

function pass(client: Socket): void {
  const upstream = connect(targets[0]!, '127.0.0.1')
  mayCut([client, upstream])
  client.pipe(upstream)
  upstream.pipe(client)
}

/** What belongs together ends together. */
function mayCut(sockets: readonly Socket[]): void {
  const end = (): void => {
    ends.delete(end)
    for (const socket of sockets) socket.destroy()
  }
  ends.add(end)
  // Mostly soon, so that requests are met and not only pauses.
  const cut =
    random() < CUT
      ? setTimeout(
          () => {
            if (isCalm || sockets[0]!.destroyed) return
            cuts += 1
            end()
          },
          LONGEST_MS * random() ** 2,
        )
      : undefined
  for (const socket of sockets) {
    socket.on('error', end)
    socket.on('close', () => {
      clearTimeout(cut)
      end()
    })
  }
}

server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line) as { calm?: true; edge?: boolean }
    isCalm ||= order.calm === true
    isEdge = order.edge ?? isEdge
    // A redeploy: what went through is cut.
    if (order.edge === true) for (const end of ends) end()
    if (order.edge === false) edge.closeAllConnections()
  })
  // The process that started it is gone.
  .on('close', () => process.exit())
setInterval(() => say({ cuts }), 1_000)
