import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { SECOND } from '../../shared/duration.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { listenTo } from './event-stream.ts'
import { createJob, startRunning, until, type Answer, type Running, tokensIn } from './running.ts'

const KEY = 'a key that is as long as those that openssl makes'
const LOOKS_AFTER_MS = 5 * SECOND

interface Scene {
  running: Running
  tokens: Tokens
  file: string
}

async function scene(t: TestContext, different: object = {}): Promise<Scene> {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const running = await startRunning(t, different)
  const tokens = running.tokens
  return { running, tokens, file: path.join(running.dataDir, 'tokens.json') }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

async function waitForWork(running: Running, headers = {}): Promise<{ answer: Promise<Answer> }> {
  const json = { worker_id: 'w1', content_types: ['audio'], claim_id: 'c', wait_seconds: 30 }
  const answer = running.ask('POST', '/remote-jobs/claim', { json, headers })
  await until(async () => (await health(running))['waiting_claims'] === 1)
  return { answer }
}

async function health(running: Running): Promise<Record<string, unknown>> {
  return (await running.ask('GET', '/health')).body
}

describe('while the tokens cannot be read', () => {
  test('a stream goes on, and no client comes in', async (t) => {
    const { running, tokens, file } = await scene(t)
    const { token } = await tokens.create({ role: 'read', name: 'r', types: null, lifeMs: null })
    const stream = await listenTo(t, `${running.url}/api/v1/events`, bearer(token))
    await stream.next(({ event }) => event === 'snapshot')
    writeFileSync(file, '{"tokens": [')
    t.mock.timers.tick(LOOKS_AFTER_MS)
    const { status } = await running.ask('GET', '/workers', { headers: bearer(token) })
    assert.equal(status, 503)
    assert.equal((await health(running))['status'], 'ok')
    assert.equal(
      await Promise.race([stream.ended.then(() => 'over'), Promise.resolve('goes on')]),
      'goes on',
    )
    writeFileSync(file, '{"tokens": []}')
    t.mock.timers.tick(LOOKS_AFTER_MS)
    await stream.ended
  })

  test('a worker that waits gets no job and is not sent away for good, and the job waits on', async (t) => {
    const { running, tokens, file } = await scene(t, { apiKey: KEY })
    const { token } = await tokens.create({ role: 'worker', name: 'w', types: null, lifeMs: null })
    const { answer } = await waitForWork(running, bearer(token))
    writeFileSync(file, '')
    const headers = bearer(KEY)
    const body = { content_type: 'audio', ingestion_task_id: 't', source_file_path: '' }
    body.source_file_path = running.file('talk.mp3')
    await running.ask('POST', '/remote-jobs', { json: body, headers })
    assert.equal((await answer).status, 503)
    assert.deepEqual((await health(running))['jobs'], {
      pending: 1,
      processing: 0,
      completed: 0,
      failed: 0,
      timeout: 0,
      cancelled: 0,
    })
  })

  test('the log says so once, and again the next time', async (t) => {
    const { running, tokens, file } = await scene(t)
    const { token } = await tokens.create({ role: 'read', name: 'r', types: null, lifeMs: null })
    const good = JSON.stringify({ tokens: [] })
    const lines = (): number =>
      running.logged.filter((one) => one.includes('rejecting all token authentication')).length
    for (const expected of [1, 2]) {
      writeFileSync(file, '{')
      for (let n = 0; n < 3; n += 1)
        await running.ask('GET', '/workers', { headers: bearer(token) })
      assert.equal(lines(), expected)
      writeFileSync(file, good)
      await running.ask('GET', '/workers', { headers: bearer(token) })
    }
  })

  test('a mended file counts, also where it has its old time and size', async () => {
    const dir = tempFolder()
    const file = path.join(dir, 'tokens.json')
    const tokens = tokensIn(dir)
    const good = '{"tokens": []}'
    for (const [text, isGood] of [
      [good.replace('[', '{'), false],
      [good, true],
    ] as const) {
      writeFileSync(file, text)
      utimesSync(file, 1_000, 1_000)
      // Each file is looked at once in a turn.
      await nextTurn()
      if (isGood) assert.deepEqual(tokens.all(), [])
      else assert.throws(() => tokens.all())
    }
  })
})

describe('open mode', () => {
  for (const [what, change] of [
    ['is gone', (file: string) => rmSync(file)],
    ['is emptied', (file: string) => writeFileSync(file, '{"tokens": []}')],
  ] as const) {
    test(`does not come back when the file with the tokens ${what}`, async (t) => {
      const { running, tokens, file } = await scene(t)
      const { token } = await tokens.create({ role: 'read', name: 'r', types: null, lifeMs: null })
      assert.equal((await running.ask('GET', '/workers', { headers: bearer(token) })).status, 200)
      change(file)
      assert.ok([401, 503].includes((await running.ask('GET', '/workers')).status))
      const shown = await running.ask('GET', '/workers', { headers: bearer(token) })
      assert.ok([401, 503].includes(shown.status))
    })
  }

  test('ends for who is there already, too: a stream ends, and who waits gets no job', async (t) => {
    const { running, tokens } = await scene(t)
    const stream = await listenTo(t, `${running.url}/api/v1/events`)
    await stream.next(({ event }) => event === 'snapshot')
    const { answer } = await waitForWork(running)
    const { token } = await tokens.create({ role: 'admin', name: 'a', types: null, lifeMs: null })
    const json = { content_type: 'audio', ingestion_task_id: 't', source_file_path: '' }
    json.source_file_path = running.file('talk.mp3')
    await running.ask('POST', '/remote-jobs', { json, headers: bearer(token) })
    assert.equal((await answer).status, 401)
    t.mock.timers.tick(LOOKS_AFTER_MS)
    await stream.ended
  })

  test('lets no page in by a name of its own that leads here', async (t) => {
    const { running } = await scene(t)
    const { host, port } = new URL(running.url)
    for (const [name, status] of [
      [host, 200],
      [`localhost:${port}`, 200],
      [`LOCALHOST.:${port}`, 200],
      [`[::1]:${port}`, 200],
      ['coordinator', 200],
      ['192.0.2.1', 200],
      [`elsewhere.example:${port}`, 403],
    ] as const)
      assert.equal(await statusFor(running, name), status, name)
    const headers = { host: `elsewhere.example:${port}` }
    assert.equal(await statusFor(running, headers.host, '/health'), 200)
    const asked = await startRunning(t, { insecureNoAuth: true })
    assert.equal(await statusFor(asked, headers.host), 200)
    const keyed = await startRunning(t, { apiKey: KEY })
    assert.equal(await statusFor(keyed, headers.host, '/workers', bearer(KEY)), 200)
  })
})

test('what is under way ends when its token is revoked: a download, an upload, a stream', async (t) => {
  const { running, tokens } = await scene(t, { apiKey: KEY })
  const json = { content_type: 'audio', ingestion_task_id: 't' }
  const large = running.file('talk.mp3', 'x'.repeat(32 * 1024 * 1024))
  const { token } = await tokens.create({ role: 'submit', name: 's', types: null, lifeMs: null })
  const made = await running.ask('POST', '/remote-jobs', {
    json: { ...json, source_file_path: large },
    headers: bearer(token),
  })
  const stream = await listenTo(t, `${running.url}/api/v1/events`, bearer(token))
  const route = `/api/v1/remote-jobs/${String(made.body['job_id'])}/source`
  const download = await fetch(`${running.url}${route}`, { headers: bearer(token) })
  assert.equal(download.status, 200)
  const upload = request(`${running.url}/api/v1/remote-jobs`, {
    method: 'POST',
    headers: { ...bearer(token), 'content-type': 'multipart/form-data; boundary=b' },
  })
  upload.write('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nbytes')
  const cut = once(upload, 'error')
  await until(() => readdirSync(path.join(running.dataDir, 'sources', '.incoming')).length > 0)
  await tokens.revoke('s')
  t.mock.timers.tick(LOOKS_AFTER_MS)
  await stream.ended
  await assert.rejects(download.arrayBuffer())
  await cut
  const { body } = await running.ask('GET', '/remote-jobs', { headers: bearer(KEY) })
  assert.equal((body['jobs'] as unknown[]).length, 1)
})

test('a stream ends when the text it came in with is rotated away, and not the one of the new', async (t) => {
  const { running, tokens } = await scene(t)
  const { token } = await tokens.create({ role: 'read', name: 'r', types: null, lifeMs: null })
  const old = await listenTo(t, `${running.url}/api/v1/events`, bearer(token))
  await old.next(({ event }) => event === 'snapshot')
  const { token: next } = await tokens.rotate('r', 0)
  const kept = await listenTo(t, `${running.url}/api/v1/events`, bearer(next))
  await kept.next(({ event }) => event === 'snapshot')
  t.mock.timers.tick(LOOKS_AFTER_MS)
  await old.ended
  // What happens later still comes.
  const id = await createdBy(running, tokens)
  await kept.next(({ data }) => data['job_id'] === id)
})

async function createdBy(running: Running, tokens: Tokens): Promise<string> {
  const { token } = await tokens.create({ role: 'submit', name: 's', types: null, lifeMs: null })
  const ask: Running['ask'] = async (method, route, asked) =>
    await running.ask(method, route, { ...asked, headers: bearer(token) })
  return await createJob({ ...running, ask })
}

/** `fetch` sets the host itself. */
async function statusFor(
  running: Running,
  host: string,
  route = '/workers',
  headers = {},
): Promise<number | undefined> {
  const asked = request(`${running.url}/api/v1${route}`, {
    agent: false,
    headers: { ...headers, host },
  })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [{ statusCode?: number; resume(): void }]
  answer.resume()
  return answer.statusCode
}
