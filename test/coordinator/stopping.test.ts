import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { startRunning } from './running.ts'

/** Downloads under way may go on for longer: who waits for that here has found a fault. */
const SOON_MS = 9_500

describe('a coordinator that stops', () => {
  it('does not wait for connections that were never used', { timeout: SOON_MS }, async (t) => {
    const running = await startRunning(t)
    const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
    await once(socket, 'connect')
    // The server has taken it before it takes what is asked later.
    assert.equal((await running.ask('GET', '/health')).status, 200)
    const closed = once(socket.resume(), 'close')
    await running.stop()
    await closed
  })

  it('sends home at once who waits for work', { timeout: SOON_MS }, async (t) => {
    const running = await startRunning(t)
    const waiting = running.ask('POST', '/remote-jobs/claim', {
      json: { worker_id: 'w', content_types: ['audio'], claim_id: 'c', wait_seconds: 60 },
    })
    while ((await running.ask('GET', '/health')).body['waiting_claims'] !== 1) continue
    await running.stop()
    assert.deepEqual((await waiting).body['jobs'], [])
  })

  it('does not wait for the rest of what it has refused', { timeout: SOON_MS }, async (t) => {
    const running = await startRunning(t)
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    // More parts than are taken; a client that has its answer sends the rest no more.
    const raw = '--b\r\nX: y\r\n\r\n\r\n'.repeat(20_000)
    const { status } = await running.ask('POST', '/remote-jobs', { raw, headers })
    assert.equal(status, 413)
    await running.stop()
  })
})
