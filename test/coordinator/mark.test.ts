import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { startRunning } from './running.ts'

/** What a client sends that Node or a route answers. */
const HEAD = 'Host: here\r\nConnection: close\r\n'
const ROUTES: Record<string, string> = {
  '200 health': `GET /health HTTP/1.1\r\n${HEAD}\r\n`,
  '200 page': `GET / HTTP/1.1\r\n${HEAD}\r\n`,
  '200 events': `GET /api/v1/events HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\n\r\n`,
  '401 no key': `GET /api/v1/remote-jobs/ HTTP/1.1\r\n${HEAD}\r\n`,
  '404 no route': `GET /api/v1/nowhere HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\n\r\n`,
  '404 no path': `POST /nowhere HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\n\r\n`,
  '404 no job': `GET /api/v1/remote-jobs/a1a1a1a1-0000-4000-8000-000000000000 HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\n\r\n`,
  '413 too large': `POST /api/v1/remote-jobs/claim HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`,
  '422 unfit': `POST /api/v1/remote-jobs/claim HTTP/1.1\r\n${HEAD}X-Api-Key: sesame\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
  '400 no HTTP': 'dance\r\n\r\n',
  '400 no host': 'GET /health HTTP/1.1\r\n\r\n',
  '417 unknown wish': `GET /health HTTP/1.1\r\n${HEAD}Expect: a cake\r\n\r\n`,
  '431 long headers': `GET /health HTTP/1.1\r\n${HEAD}X-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
}

test('every answer of the coordinator has its mark', async (t) => {
  const coordinator = await startRunning(t, { apiKey: 'sesame' })
  const { port, hostname } = new URL(coordinator.url)
  for (const [name, request] of Object.entries(ROUTES)) {
    await t.test(name, async () => {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(request)
      const [first] = (await once(socket, 'data')) as [Buffer]
      socket.destroy()
      const head = String(first).split('\r\n\r\n')[0]!
      assert.match(head, new RegExp(`^HTTP/1.1 ${name.slice(0, 3)} `))
      assert.match(head, /^morag-coordinator: 1$/im)
    })
  }
})
