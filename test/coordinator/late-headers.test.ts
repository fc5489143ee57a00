import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import pino from 'pino'
import { refuseUnfit } from '../../coordinator/sockets/slow-clients.ts'

const HEADERS_MS = 300
/** Sends what it is given as soon as its connection stands, beside a server whose own thread stands still. */
const CLIENT = `
const { connect } = require('node:net')
const { parentPort, workerData: { port, text } } = require('node:worker_threads')
let answer = ''
connect(port, '127.0.0.1', function () { this.write(text) })
  .setEncoding('utf8')
  .on('data', (part) => { answer += part })
  .on('close', () => parentPort.postMessage(answer))
`

/** What a client is answered whose text came while the server stood still for longer than headers may take. */
async function answerTo(t: TestContext, text: string): Promise<string> {
  const options = { headersTimeout: HEADERS_MS, connectionsCheckingInterval: HEADERS_MS / 10 }
  const server = createServer(options, (_, answer) => void answer.end('read'))
  refuseUnfit(server, 60_000, pino({ level: 'silent' }))
  server.on('connection', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * HEADERS_MS)
  })
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new Worker(CLIENT, { eval: true, workerData: { port, text } })
  const [answer] = (await once(client, 'message')) as [string]
  return answer
}

test('a request that came while the coordinator stood still is answered', async (t) => {
  const answer = await answerTo(t, 'GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 .*read$/s)
})

test('headers without an end are still refused', async (t) => {
  assert.match(await answerTo(t, 'GET / HTTP/1.1\r\nHost: '), /^HTTP\/1\.1 408 .*too long to come/s)
})
