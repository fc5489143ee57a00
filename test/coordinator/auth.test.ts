import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startRunning } from './running.ts'

const KEY = 'correct horse'
const ID = '00000000-0000-4000-8000-000000000000'

const ROUTES: [string, string][] = [
  ['POST', '/remote-jobs'],
  ['POST', '/remote-jobs/'],
  ['GET', '/remote-jobs'],
  ['GET', '/remote-jobs/poll?worker_id=w&content_types=audio'],
  ['POST', '/remote-jobs/claim'],
  ['POST', '/remote-jobs/cleanup'],
  ['GET', `/remote-jobs/${ID}`],
  ['GET', `/remote-jobs/${ID}/status`],
  ['GET', `/remote-jobs/${ID}/download`],
  ['HEAD', `/remote-jobs/${ID}/download`],
  ['GET', `/remote-jobs/${ID}/result`],
  ['GET', `/remote-jobs/${ID}/result.md`],
  ['PUT', `/remote-jobs/${ID}/result`],
  ['POST', `/remote-jobs/${ID}/cancel`],
  ['POST', `/remote-jobs/${ID}/retry`],
  ['POST', `/remote-jobs/${ID}/reassign`],
  ['POST', `/remote-jobs/${ID}/release`],
  ['DELETE', `/remote-jobs/${ID}`],
  ['GET', '/workers'],
  ['POST', '/workers/w/heartbeat'],
  ['POST', '/workers/w/drain'],
  ['POST', '/workers/w/resume'],
  ['GET', '/nothing'],
]

test('with a key set, every route refuses who does not show it, and does nothing', async (t) => {
  const running = await startRunning(t, { apiKey: KEY })
  for (const [method, route] of ROUTES) {
    const { status, body, headers } = await running.ask(method, route)
    assert.equal(status, 401, `${method} ${route}`)
    assert.equal(headers.get('www-authenticate'), 'Bearer')
    if (method === 'HEAD') continue
    assert.equal(body['code'], 'unauthorized')
    assert.equal(typeof body['detail'], 'string')
  }
  const { body } = await running.ask('GET', '/workers', { headers: { 'x-api-key': KEY } })
  assert.deepEqual(body['workers'], [])
})

test('health and readiness need no key', async (t) => {
  const running = await startRunning(t, { apiKey: KEY })
  for (const route of ['/health', '/ready', '/api/v1/health', '/api/v1/ready', '/health/'])
    assert.equal((await fetch(`${running.url}${route}`)).status, 200, route)
})

describe('the key', () => {
  for (const [what, headers] of [
    ['a Bearer token', { authorization: `Bearer ${KEY}` }],
    ['a bearer token in lower case', { authorization: `bearer ${KEY}` }],
    ['X-API-Key', { 'x-api-key': KEY }],
    ['X-API-Key beside another scheme', { 'x-api-key': KEY, authorization: 'Basic eDp5' }],
  ] as const) {
    test(`lets in as ${what}`, async (t) => {
      const running = await startRunning(t, { apiKey: KEY })
      assert.equal((await running.ask('GET', '/workers', { headers })).status, 200)
    })
  }

  test('that is wrong in any way gets always the same answer', async (t) => {
    const running = await startRunning(t, { apiKey: KEY })
    const answers = new Set<string>()
    for (const headers of [
      {},
      { authorization: `Bearer ${KEY}x` },
      { authorization: `Bearer ${KEY.slice(1)}` },
      { authorization: 'Bearer ' },
      { authorization: `Basic ${KEY}` },
      { authorization: KEY },
      { 'x-api-key': '' },
      { 'x-api-key': KEY.toUpperCase() },
      { 'x-api-key': 'x'.repeat(10_000) },
    ] as Record<string, string>[]) {
      const { status, text } = await running.ask('GET', '/workers', { headers })
      assert.equal(status, 401, JSON.stringify(headers).slice(0, 100))
      answers.add(text)
    }
    assert.equal(answers.size, 1)
    assert.ok(![...answers][0]!.includes(KEY))
    assert.equal(
      (await running.ask('GET', `/workers?api_key=${encodeURIComponent(KEY)}`)).status,
      401,
    )
  })

  test('is not asked for where none is set', async (t) => {
    const running = await startRunning(t)
    assert.equal((await running.ask('GET', '/workers')).status, 200)
    const headers = { authorization: 'Bearer whatever' }
    assert.equal((await running.ask('GET', '/workers', { headers })).status, 200)
  })
})
