import assert from 'node:assert/strict'
import { request } from 'node:http'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Role } from '../../coordinator/access/roles.ts'
import { createJob, startRunning, type Running } from './running.ts'

const KEY = 'k'.repeat(40)
const MARK = { 'x-morag-csrf': '1' }

describe('the dashboard’s files', () => {
  it('are for everybody, and may run nothing but themselves', async (t) => {
    const { url } = await startRunning(t, { apiKey: KEY })
    const page = await fetch(url)
    assert.equal(page.status, 200)
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'self'.*frame-ancestors 'none'.*require-trusted-types-for/)
    const text = await page.text()
    assert.doesNotMatch(text, /<style|style=|<script(?![^>]* src=)| on\w+=|https?:/)
    const named = [...text.matchAll(/(?:src|href)="(dashboard\/[^"]+)"/g)].map(([, file]) => file!)
    assert.ok(named.length >= 4)
    for (const file of named) assert.equal((await fetch(`${url}/${file}`)).status, 200, file)
  })

  it('all come, and a browser that has one gets a 304', async (t) => {
    const { url } = await startRunning(t)
    const seen = new Set<string>()
    const open = ['boot.js']
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue
      seen.add(name)
      const answer = await fetch(`${url}/dashboard/${name}`)
      assert.equal(answer.headers.get('content-type'), 'text/javascript; charset=utf-8', name)
      const etag = answer.headers.get('etag')!
      const again = await fetch(`${url}/dashboard/${name}`, { headers: { 'if-none-match': etag } })
      assert.equal(again.status, 304, name)
      for (const [, next] of (await answer.text()).matchAll(
        /(?: from |await import\()'\.\/(.*?)'/g,
      ))
        open.push(next!)
    }
    assert.ok(seen.size > 20)
  })

  it('are all that is served of their folder', async (t) => {
    const { url } = await startRunning(t)
    const others = [
      'tsconfig.json',
      'wire.d.ts',
      '..%2fapp.ts',
      '%2e%2e%2fapp.ts',
      'nothing.js',
      '',
    ]
    for (const name of others)
      assert.equal((await fetch(`${url}/dashboard/${name}`)).status, 404, name)
  })
})

/** A running coordinator with a token of each of these roles. */
async function withTokens(
  running: Running,
  roles: readonly Role[],
): Promise<Record<string, string>> {
  const tokens = running.tokens
  const made: Record<string, string> = {}
  for (const role of roles)
    made[role] = (await tokens.create({ role, name: role, types: null, lifeMs: null })).token
  return made
}

async function signIn(
  running: Running,
  token: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await running.ask('POST', '/session', { json: { token }, headers })
  assert.equal(answer.status, 200, answer.text)
  return answer.headers.get('set-cookie')!
}

describe('a session', () => {
  it('is a cookie that no script can read and no other page sends', async (t) => {
    const running = await startRunning(t, { apiKey: KEY })
    const cookie = await signIn(running, KEY)
    assert.match(cookie, /^morag_session=[^;]+; Path=\/; HttpOnly; SameSite=Strict$/)
    const behindTls = await signIn(running, KEY, { 'x-forwarded-proto': 'https' })
    assert.match(behindTls, /; Secure/)
    const headers = { cookie: cookie.split(';')[0]! }
    assert.equal((await running.ask('GET', '/workers', { headers })).status, 200)
    const { body } = await running.ask('GET', '/session', { headers })
    assert.deepEqual(body, { name: 'api-key', role: 'admin', signed_in: true })
    const out = await running.ask('DELETE', '/session', { headers: { ...headers, ...MARK } })
    assert.match(out.headers.get('set-cookie')!, /^morag_session=; Max-Age=0; Path=\//)
  })

  it('changes nothing without the page’s mark, nor from another page', async (t) => {
    const running = await startRunning(t, { apiKey: KEY })
    const cookie = (await signIn(running, KEY)).split(';')[0]!
    const own = { cookie, ...MARK }
    const cases: [number, Record<string, string>][] = [
      [200, own],
      [200, { ...own, 'sec-fetch-site': 'same-origin', origin: running.url }],
      [403, { cookie }],
      [403, { ...own, 'sec-fetch-site': 'same-site' }],
      [403, { ...own, 'sec-fetch-site': 'cross-site' }],
      [403, { cookie, 'sec-fetch-site': 'same-origin' }],
      [200, { authorization: `Bearer ${KEY}` }],
      [200, { cookie, authorization: `Bearer ${KEY}`, 'sec-fetch-site': 'cross-site' }],
    ]
    for (const [status, headers] of cases) {
      const found = await send(running, 'POST', '/remote-jobs/cleanup', headers)
      assert.equal(found, status, JSON.stringify(headers))
    }
    const poll = '/remote-jobs/poll?worker_id=w&content_types=audio'
    assert.equal(await send(running, 'GET', poll, { cookie }), 403, 'it takes a job')
    assert.equal(await send(running, 'GET', poll, own), 200)
  })

  it('is for those who look, not for workers, and ends with its token', async (t) => {
    const running = await startRunning(t)
    const tokens = await withTokens(running, ['read', 'submit', 'worker', 'register', 'admin'])
    for (const role of ['worker', 'register']) {
      const refused = await running.ask('POST', '/session', { json: { token: tokens[role] } })
      assert.equal(refused.status, 403)
      assert.equal(refused.headers.get('set-cookie'), null)
    }
    const bad = await running.ask('POST', '/session', { json: { token: 'nobody’s' } })
    assert.equal(bad.status, 401)
    const headers = { cookie: (await signIn(running, tokens['read']!)).split(';')[0]! }
    assert.equal((await running.ask('GET', '/workers', { headers })).status, 200)
    await running.tokens.revoke('read')
    assert.equal((await running.ask('GET', '/workers', { headers })).status, 401)
  })

  it('needs no token in open mode, but still no page from elsewhere may write', async (t) => {
    const running = await startRunning(t)
    const { body, headers } = await running.ask('POST', '/session', { json: { token: 'any' } })
    assert.deepEqual(body, { name: 'open-mode', role: 'admin', signed_in: false })
    assert.equal(headers.get('set-cookie'), null)
    const { host } = new URL(running.url)
    const cases: [number, Record<string, string>][] = [
      [200, {}],
      [200, { origin: `http://${host}` }],
      [200, { 'sec-fetch-site': 'same-origin' }],
      [403, { origin: 'http://elsewhere.example' }],
      [403, { origin: 'null' }],
      [403, { 'sec-fetch-site': 'cross-site', origin: `http://${host}` }],
    ]
    for (const [status, given] of cases) {
      const found = await send(running, 'POST', '/remote-jobs/cleanup', given)
      assert.equal(found, status, JSON.stringify(given))
    }
  })
})

describe('a recording', () => {
  it('is played under the type that its bytes have, from where one likes', async (t) => {
    const running = await startRunning(t)
    const clip = fileURLToPath(new URL('../../agent/assets/jfk.wav', import.meta.url))
    const bytes = await readFile(clip)
    const file = path.join(running.mediaRoot, 'talk.html')
    await writeFile(file, bytes)
    const jobId = await createJob(running, { source_file_path: file })
    const url = `${running.url}/api/v1/remote-jobs/${jobId}/source`
    const whole = await fetch(url)
    assert.match(whole.headers.get('content-type')!, /^audio\/(vnd\.)?wave?$/)
    assert.match(whole.headers.get('content-disposition')!, /^inline/)
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes)
    const part = await fetch(url, { headers: { range: 'bytes=100-199' } })
    assert.equal(part.status, 206)
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(100, 200))
  })

  it('that is none is a file to be saved, whatever it is called', async (t) => {
    const running = await startRunning(t)
    const file = running.file('talk.mp3', '<!doctype html><script>alert(1)</script>')
    const jobId = await createJob(running, { source_file_path: file })
    const { headers } = await running.ask('GET', `/remote-jobs/${jobId}/source`)
    assert.equal(headers.get('content-type'), 'application/octet-stream')
    assert.match(headers.get('content-disposition')!, /^attachment/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  })

  it('is there for those who see its job', async (t) => {
    const running = await startRunning(t)
    const jobId = await createJob(running)
    const tokens = await withTokens(running, ['read', 'submit', 'worker', 'admin'])
    const found: Record<string, number> = {}
    for (const [role, token] of Object.entries(tokens)) {
      const headers = { authorization: `Bearer ${token}` }
      found[role] = (await running.ask('GET', `/remote-jobs/${jobId}/source`, { headers })).status
    }
    assert.deepEqual(found, { read: 200, submit: 404, worker: 403, admin: 200 })
  })
})

/** The status of a request with headers that fetch keeps to itself. */
async function send(
  running: Running,
  method: string,
  route: string,
  headers: Record<string, string>,
): Promise<number> {
  return await new Promise((resolve, reject) => {
    const sent = request(`${running.url}/api/v1${route}`, { method, headers }, (answer) => {
      answer.resume()
      answer.once('end', () => resolve(answer.statusCode!))
    })
    sent.once('error', reject)
    sent.end()
  })
}
