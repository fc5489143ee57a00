import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimedJob, startRunning } from './running.ts'

test('what needs a key is kept by no cache and taken for no page, whatever answers', async (t) => {
  const running = await startRunning(t)
  const { job_id, lease_token } = await claimedJob(running)
  const put = (name: string, raw: string) =>
    running.ask('PUT', `/remote-jobs/${job_id}/artifacts/${name}`, {
      raw,
      headers: { 'morag-lease': lease_token },
    })
  assert.equal((await put('a.txt', 'text')).headers.get('cache-control'), 'no-store')
  const source = await running.ask('GET', `/remote-jobs/${job_id}/download`, {
    headers: { 'morag-lease': lease_token, range: 'bytes=1-2' },
  })
  assert.equal(source.status, 206)
  assert.equal(source.headers.get('cache-control'), 'no-store')
  const json = { success: true, content: '# A', metadata: { segments: [] }, lease_token }
  await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })
  const routes = [
    '/result.md',
    '/result.json',
    '/result.srt',
    '/result',
    '/source',
    '/artifacts',
    '/artifacts/a.txt',
    '/status',
    '',
  ].map((route) => `/remote-jobs/${job_id}${route}`)
  const nothing = [`/remote-jobs/none/result`, '/nothing', '/remote-jobs?limit=x']
  for (const route of [...routes, ...nothing, '/remote-jobs', '/session', '/workers', '/metrics']) {
    const { headers } = await running.ask('GET', route)
    assert.equal(headers.get('cache-control'), 'no-store', route)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', route)
  }
  const signedOut = await running.ask('DELETE', '/session')
  assert.equal(signedOut.headers.get('cache-control'), 'no-store')
  const closed = await startRunning(t, { apiKey: 'k'.repeat(40) })
  const refused = await closed.ask('GET', '/session')
  assert.equal(refused.status, 401)
  assert.equal(refused.headers.get('cache-control'), 'no-store')
  // What is the same for everybody may be kept.
  for (const route of ['/health', '/openapi.json']) {
    assert.equal((await running.ask('GET', route)).headers.get('cache-control'), null)
  }
})
