import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { describe, test } from 'node:test'
import { newJobId } from './example-jobs.ts'
import {
  claimedJob,
  createJob,
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
} from './running.ts'

const MIB = 1024 ** 2

const routeOf = (id: string, name = ''): string =>
  `/remote-jobs/${id}/artifacts${name === '' ? '' : `/${name}`}`

async function put(
  running: Running,
  { job_id, lease_token }: Claimed,
  name: string,
  raw: string | Uint8Array<ArrayBuffer> = `the bytes of ${name}`,
): Promise<Answer> {
  return await running.ask('PUT', routeOf(job_id, name), {
    raw,
    headers: { 'morag-lease': lease_token },
  })
}

function stored(running: Running, id: string): string[] {
  const dir = path.join(running.dataDir, 'artifacts', id)
  return existsSync(dir) ? readdirSync(dir).sort() : []
}

const incoming = (running: Running): string[] => stored(running, '.incoming')

describe('a worker sends an artifact', () => {
  test('and gets back what came', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const bytes = new Uint8Array(3 * MIB).fill(7)
    const { status, body } = await put(running, job, 'frame-0001.jpg', bytes)
    assert.equal(status, 200)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    assert.deepEqual(body, { name: 'frame-0001.jpg', size_bytes: bytes.length, sha256 })
    assert.deepEqual(stored(running, job.job_id), ['frame-0001.jpg'])
    assert.deepEqual(incoming(running), [])
  })

  test('again, and the newer one takes its place', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await put(running, job, 'a.txt', 'older, and longer')
    await put(running, job, 'a.txt', 'newer')
    const { text } = await running.ask('GET', routeOf(job.job_id, 'a.txt'))
    assert.equal(text, 'newer')
    const { body } = await running.ask('GET', routeOf(job.job_id))
    assert.equal((body['artifacts'] as []).length, 1)
  })

  test('of no bytes at all', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    assert.equal((await put(running, job, 'empty', '')).body['size_bytes'], 0)
    const { status, text, headers } = await running.ask('GET', routeOf(job.job_id, 'empty'))
    assert.deepEqual([status, text, headers.get('content-length')], [200, '', '0'])
  })

  test('only while it holds the job', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const route = routeOf(job.job_id, 'a.txt')
    const none = await running.ask('PUT', route, { raw: 'x' })
    assert.deepEqual([none.status, none.body['code']], [403, 'forbidden'])
    for (const wrong of ['x', '2.abc', `1.${'a'.repeat(43)}`]) {
      const refused = await put(running, { ...job, lease_token: wrong }, 'a.txt')
      assert.deepEqual([refused.status, refused.body['code']], [409, 'lease_lost'])
    }
    await running.ask('POST', `/remote-jobs/${job.job_id}/cancel`)
    const late = await put(running, job, 'a.txt')
    assert.deepEqual([late.status, late.body['code']], [409, 'lease_lost'])
    const unknown = await put(running, { ...job, job_id: newJobId() }, 'a.txt')
    assert.equal(unknown.status, 404)
    assert.deepEqual(stored(running, job.job_id), [])
  })

  test('in vain when it has lost the job before all had come', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const socket = await begun(running, job, 'a.txt', 10)
    await until(() => incoming(running).length === 1)
    await running.ask('POST', `/remote-jobs/${job.job_id}/cancel`)
    const answered = new Promise<string>((resolve) => {
      socket.once('data', (data: Buffer) => resolve(data.toString()))
    })
    socket.write('56789')
    assert.match(await answered, /^HTTP\/1.1 409 /)
    socket.destroy()
    assert.deepEqual(stored(running, job.job_id), [])
    assert.deepEqual(incoming(running), [])
  })

  for (const name of ['.hidden', '-x', 'a%2Fb', '..%2Fx', 'a b', 'ä', 'x'.repeat(101)])
    test(`not named ${name.slice(0, 12)}`, async (t) => {
      const running = await startRunning(t)
      const job = await claimedJob(running)
      const { status, body } = await put(running, job, encodeURI(name).replaceAll('%25', '%'))
      assert.deepEqual([status, body['code']], [422, 'invalid'])
      assert.deepEqual(stored(running, job.job_id), [])
    })

  test('of 64 MiB and no larger, whether it says so before or not', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const whole = new Uint8Array(64 * MIB)
    assert.equal((await put(running, job, 'large', whole)).status, 200)
    const route = `${running.url}/api/v1${routeOf(job.job_id, 'larger')}`
    const headers = { 'morag-lease': job.lease_token }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let n = 0; n < 65; n += 1) controller.enqueue(new Uint8Array(MIB))
        controller.close()
      },
    })
    const unsaid = await fetch(route, {
      method: 'PUT',
      headers,
      body,
      duplex: 'half',
    } as RequestInit)
    assert.equal(unsaid.status, 413)
    const said = connect(Number(new URL(running.url).port), '127.0.0.1')
    said.write(
      `PUT /api/v1${routeOf(job.job_id, 'larger')} HTTP/1.1\r\nhost: x\r\n` +
        `morag-lease: ${job.lease_token}\r\ncontent-length: ${64 * MIB + 1}\r\n\r\n`,
    )
    const answer = await new Promise<Buffer>((resolve) => said.once('data', resolve))
    said.destroy()
    assert.match(answer.toString(), /^HTTP\/1.1 413 /)
    assert.deepEqual(stored(running, job.job_id), ['large'])
    assert.deepEqual(incoming(running), [])
  })

  test('as one of at most a thousand', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const dir = path.join(running.dataDir, 'artifacts', job.job_id)
    mkdirSync(dir)
    for (let n = 0; n < 1_000; n += 1) writeFileSync(path.join(dir, `f${n}`), '')
    const { status, body } = await put(running, job, 'one-more')
    assert.deepEqual([status, body['code']], [413, 'too_large'])
    assert.equal((await put(running, job, 'f7')).status, 200)
  })

  test('that breaks off, of which nothing stays', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await put(running, job, 'a.txt', 'whole')
    const socket = await begun(running, job, 'a.txt', 10)
    await until(() => incoming(running).length === 1)
    socket.destroy()
    await until(() => incoming(running).length === 0)
    assert.equal((await running.ask('GET', routeOf(job.job_id, 'a.txt'))).text, 'whole')
  })
})

/** A connection that has sent five bytes of an artifact and holds back the rest. */
async function begun(running: Running, job: Claimed, name: string, length: number) {
  const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
  await new Promise<void>((resolve) => {
    socket.write(
      `PUT /api/v1${routeOf(job.job_id, name)} HTTP/1.1\r\nhost: x\r\n` +
        `morag-lease: ${job.lease_token}\r\ncontent-length: ${length}\r\n\r\n01234`,
      () => resolve(),
    )
  })
  return socket
}

describe('a client that reads a job', () => {
  test('sees its artifacts by name, also when it is done', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const none = await running.ask('GET', routeOf(job.job_id))
    assert.deepEqual([none.status, none.body], [200, { artifacts: [] }])
    for (const name of ['b.vtt', 'a.jpg']) await put(running, job, name)
    await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, {
      json: { success: true, content: '# A', lease_token: job.lease_token },
    })
    const { body } = await running.ask('GET', routeOf(job.job_id))
    assert.deepEqual(body['artifacts'], [
      { name: 'a.jpg', size_bytes: 18, content_type: 'image/jpeg' },
      { name: 'b.vtt', size_bytes: 18, content_type: 'text/vtt; charset=utf-8' },
    ])
    assert.equal((await running.ask('GET', routeOf(newJobId()))).status, 404)
  })

  for (const [name, type] of [
    ['a.jpg', 'image/jpeg'],
    ['a.JPEG', 'image/jpeg'],
    ['a.png', 'image/png'],
    ['a.webp', 'image/webp'],
    ['a.vtt', 'text/vtt; charset=utf-8'],
    ['a.srt', 'application/x-subrip; charset=utf-8'],
    ['a.json', 'application/json; charset=utf-8'],
    ['a.txt', 'text/plain; charset=utf-8'],
    ['a.html', 'application/octet-stream'],
    ['a.constructor', 'application/octet-stream'],
    ['a', 'application/octet-stream'],
  ] as const)
    test(`gets ${name} as ${type}, and no browser may think otherwise`, async (t) => {
      const running = await startRunning(t)
      const job = await claimedJob(running)
      await put(running, job, name)
      for (const method of ['GET', 'HEAD']) {
        const { status, headers, text } = await running.ask(method, routeOf(job.job_id, name))
        assert.equal(status, 200)
        assert.equal(headers.get('content-type'), type)
        assert.equal(headers.get('content-length'), String(`the bytes of ${name}`.length))
        assert.equal(headers.get('x-content-type-options'), 'nosniff')
        assert.equal(text, method === 'HEAD' ? '' : `the bytes of ${name}`)
      }
    })

  test('gets a 404 for what is not one of them', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await put(running, job, 'a.txt')
    const dir = path.join(running.dataDir, 'artifacts', job.job_id)
    symlinkSync('/etc/hostname', path.join(dir, 'link'))
    mkdirSync(path.join(dir, 'folder'))
    for (const name of ['b.txt', 'link', 'folder', '..%2Fa.txt', '.hidden', 'a.txt%00'])
      assert.equal((await running.ask('GET', routeOf(job.job_id, name))).status, 404, name)
    const other = await createJob(running)
    assert.equal((await running.ask('GET', routeOf(other, 'a.txt'))).status, 404)
  })

  test('needs the key for them', async (t) => {
    const running = await startRunning(t, { apiKey: 'k' })
    assert.equal((await running.ask('GET', routeOf(newJobId(), 'a.txt'))).status, 401)
  })
})

describe('artifacts go', () => {
  test('with their job, and count as freed', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    for (const name of ['a.txt', 'b.txt']) await put(running, job, name, '12345')
    await running.ask('POST', `/remote-jobs/${job.job_id}/cancel`)
    const json = { older_than_days: 0, dry_run: true }
    const would = await running.ask('POST', '/remote-jobs/cleanup', { json })
    assert.equal(would.body['freed_bytes'], 10)
    const { body } = await running.ask('DELETE', `/remote-jobs/${job.job_id}`)
    assert.equal(body['freed_bytes'], 10)
    assert.equal(existsSync(path.join(running.dataDir, 'artifacts', job.job_id)), false)
  })

  test('at the start when no job has them, and what was half sent', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await put(running, job, 'a.txt')
    await running.stop()
    const dir = path.join(running.dataDir, 'artifacts')
    mkdirSync(path.join(dir, newJobId()))
    writeFileSync(path.join(dir, '.incoming', 'half'), 'x')
    const again = await startRunning(t, { root: running.root })
    assert.deepEqual(readdirSync(dir).sort(), ['.incoming', job.job_id])
    assert.deepEqual(incoming(again), [])
    assert.equal((await again.ask('GET', routeOf(job.job_id, 'a.txt'))).status, 200)
  })
})
