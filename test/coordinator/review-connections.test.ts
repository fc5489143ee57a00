import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { claim, createJob, startRunning, until } from './running.ts'

/** A request as bytes. */
function written(method: string, route: string, json?: object): string {
  const body = json === undefined ? '' : JSON.stringify(json)
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  return `${method} /api/v1${route} HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n${body}`
}

test('requests that were sent without waiting end with their connection, also those whose turn never came', async (t) => {
  const running = await startRunning(t)
  const number = async (name: string): Promise<number> => {
    const { text } = await running.ask('GET', '/metrics')
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
  }
  const { port, hostname } = new URL(running.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  const wish = { worker_id: 'w1', content_types: ['audio'], wait_seconds: 60 }
  socket.write(
    written('POST', '/remote-jobs/claim', { ...wish, claim_id: 'one' }) +
      written('POST', '/remote-jobs/claim', { ...wish, claim_id: 'two' }) +
      written('GET', '/events'),
  )
  await until(async () => (await number('morag_long_polls')) === 2)
  await until(async () => (await number('morag_event_streams')) === 1)
  socket.destroy()
  await until(async () => (await number('morag_long_polls')) === 0)
  await until(async () => (await number('morag_event_streams')) === 0)
  const jobId = await createJob(running)
  assert.equal((await claim(running, { worker_id: 'w2' }))[0]?.job_id, jobId)
})

test('a thousand agents that come at once are all let in', async (t) => {
  const running = await startRunning(t)
  const port = Number(new URL(running.url).port)
  const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  const coming = Math.min(1_000, most)
  const sockets = Array.from({ length: coming }, () => connect(port, '127.0.0.1'))
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  for (const socket of sockets) socket.on('error', () => undefined)
  // Then all have connected, in this turn of the event loop, and none is accepted yet.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const established = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, from, , state]) => from?.endsWith(local) === true && state === '01')
  // Others on this machine may use the same number.
  assert.ok(established.length >= coming, `${established.length} of ${coming}`)
})
