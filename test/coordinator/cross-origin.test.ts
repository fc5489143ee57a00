import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenTo } from './event-stream.ts'
import { startRunning } from './running.ts'

const PAGE = 'https://app.example.com'

test('pages of an allowed origin may call the API, others may not', async (t) => {
  const running = await startRunning(t, { allowOrigins: [PAGE] })
  const of = (headers: Headers): unknown[] => [
    headers.get('access-control-allow-origin'),
    headers.get('access-control-allow-credentials'),
    headers.get('vary'),
  ]
  const asks = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,idempotency-key',
  }
  for (const [origin, seen] of [
    [PAGE, PAGE],
    ['https://evil.example.com', null],
  ] as const) {
    const headers = { origin }
    const preflight = await running.ask('OPTIONS', '/remote-jobs/', {
      headers: { ...headers, ...asks },
    })
    assert.deepEqual(of(preflight.headers), [seen, null, 'origin'])
    assert.equal(preflight.status, seen === null ? 405 : 204)
    assert.equal(
      preflight.headers.get('access-control-allow-headers'),
      seen === null ? null : asks['access-control-request-headers'],
    )
    const missing = await running.ask('GET', '/remote-jobs/none', { headers })
    assert.deepEqual([missing.status, ...of(missing.headers)], [404, seen, null, 'origin'])
    const events = await listenTo(t, `${running.url}/api/v1/events`, headers)
    assert.deepEqual(of(events.headers), [seen, null, 'origin'])
  }
  const own = await startRunning(t)
  const { headers } = await own.ask('GET', '/remote-jobs', { headers: { origin: PAGE } })
  assert.deepEqual(of(headers), [null, null, null])
})
