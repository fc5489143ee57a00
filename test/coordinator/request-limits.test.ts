import assert from 'node:assert/strict'
import { once, setMaxListeners } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { packResult } from '../../coordinator/blobs/packed-result.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { HOUR } from '../../shared/duration.ts'
import { assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { claim, claimedJob, createJob, startRunning, until, type Running } from './running.ts'

const MIB = 1024 * 1024
const IDLE_MS = 100
const CLOSE = 'Connection: close'
const CLAIM = JSON.stringify({ worker_id: 'w', content_types: ['audio'], claim_id: 'c' })

async function dial(t: TestContext, { url }: Running): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** The head of a request below the API's root. */
function head(method: string, route: string, ...headers: string[]): string {
  return [`${method} /api/v1${route} HTTP/1.1`, 'Host: here', ...headers, '', ''].join('\r\n')
}

/** All that comes back until the connection ends; the status and the JSON in it. */
async function ended(socket: Socket): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await text(socket)
  const [first, ...rest] = answer.split('\r\n\r\n')
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(first!)?.[1])
  assert.match(first!, /connection: close/i)
  return { status, body: JSON.parse(rest.join('')) as Record<string, unknown> }
}

/** What lies in the folders where bodies are written until they are whole. */
function unfinished({ dataDir }: Running): string[] {
  return ['sources', 'artifacts'].flatMap((name) =>
    readdirSync(path.join(dataDir, name, '.incoming')),
  )
}

describe('a client that stands still', () => {
  const slow = async (t: TestContext) => await startRunning(t, { limits: { idleMs: IDLE_MS } })
  const isLate = {
    detail: 'No byte of the request was received for 0.1 seconds: send it again.',
    code: 'request_timeout',
  }

  test('in the middle of an upload gets 408, and nothing of it is kept', async (t) => {
    const running = await slow(t)
    const socket = await dial(t, running)
    const form = 'Content-Type: multipart/form-data; boundary=b'
    socket.write(head('POST', '/remote-jobs', form, 'Content-Length: 100000'))
    socket.write(
      '--b\r\nContent-Disposition: form-data; name="file"; filename="talk.mp3"\r\n\r\nspee',
    )
    assert.deepEqual(await ended(socket), { status: 408, body: isLate })
    await until(() => unfinished(running).length === 0)
    assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
    const line = running.logged.find((one) => one.includes('no byte of the request received'))
    assert.equal((JSON.parse(line!) as Record<string, unknown>)['path'], '/api/v1/remote-jobs')
  })

  test('in the middle of an artifact or of JSON gets 408 as well', async (t) => {
    const running = await slow(t)
    const job = await claimedJob(running)
    const artifact = await dial(t, running)
    const lease = `Morag-Lease: ${job.lease_token}`
    const route = `/remote-jobs/${job.job_id}/artifacts/a.txt`
    artifact.write(`${head('PUT', route, lease, 'Content-Length: 1000')}half of it`)
    const json = await dial(t, running)
    json.write(`${head('POST', '/remote-jobs/claim', 'Content-Length: 1000')}{"worker_id":`)
    assert.deepEqual(await ended(artifact), { status: 408, body: isLate })
    assert.deepEqual(await ended(json), { status: 408, body: isLate })
    await until(() => unfinished(running).length === 0)
    const { body } = await running.ask('GET', `/remote-jobs/${job.job_id}/artifacts`)
    assert.deepEqual(body['artifacts'], [])
  })

  test('before it has asked for anything, or within its headers, is let go of', async (t) => {
    const running = await slow(t)
    const silent = await dial(t, running)
    assert.equal(await text(silent), '')
    const half = await dial(t, running)
    half.write('GET /health HTTP/1.1\r\nHost: he')
    assert.deepEqual(await ended(half), { status: 408, body: isLate })
  })

  test('and takes nothing of a download loses its connection, and gets the rest with a range', async (t) => {
    const running = await slow(t)
    const file = path.join(running.mediaRoot, 'big.wav')
    writeFileSync(file, Buffer.alloc(64 * MIB, 1))
    const job = await claimedJob(running, { source_file_path: file })
    const route = `/remote-jobs/${job.job_id}/download`
    const socket = await dial(t, running)
    // A reader that has paused: its window fills, and then nothing moves any more.
    socket.pause()
    socket.write(head('GET', route, `Morag-Lease: ${job.lease_token}`))
    const isCut = () => running.logged.some((one) => one.includes('no byte of the answer accepted'))
    await until(isCut)
    const headers = { 'morag-lease': job.lease_token, range: `bytes=${64 * MIB - 10}-` }
    assert.equal((await running.ask('GET', route, { headers })).status, 206)
  })

  test('is one that sends nothing, not one that is slow', async (t) => {
    const running = await slow(t)
    const socket = await dial(t, running)
    const answer = ended(socket)
    socket.write(head('POST', '/remote-jobs/claim', `Content-Length: ${CLAIM.length}`, CLOSE))
    let sent = 0
    const from = performance.now()
    const timer = setInterval(() => {
      socket.write(CLAIM[sent]!)
      sent += 1
      if (sent === CLAIM.length) clearInterval(timer)
    }, IDLE_MS / 10)
    t.after(() => clearInterval(timer))
    assert.equal((await answer).status, 200)
    assert.ok(performance.now() - from > 3 * IDLE_MS)
  })

  test('is not one that waits for work', async (t) => {
    const running = await slow(t)
    const cameAt = performance.now()
    const waiting = claim(running, { wait_seconds: 30 })
    await until(() => performance.now() - cameAt > 3 * IDLE_MS)
    const jobId = await createJob(running)
    assert.equal((await waiting)[0]?.job_id, jobId)
  })

  test('is not one that sends while the coordinator itself stands still', async (t) => {
    const running = await slow(t)
    const socket = await dial(t, running)
    const answer = ended(socket)
    socket.write(head('POST', '/remote-jobs/claim', `Content-Length: ${CLAIM.length}`, CLOSE))
    socket.write(CLAIM.slice(0, 10))
    await until(() => socket.bytesWritten > 0)
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(CLAIM.slice(10, 20))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * IDLE_MS)
    setImmediate(() => socket.write(CLAIM.slice(20)))
    assert.equal((await answer).status, 200)
  })
})

test('headers that are too long are refused with 431, and what is no HTTP with 400, both as JSON', async (t) => {
  const running = await startRunning(t)
  const long = await dial(t, running)
  long.write(head('GET', '/workers', `Cookie: ${'c'.repeat(17 * 1024)}`))
  const { status, body } = await ended(long)
  assert.deepEqual([status, body['code']], [431, 'headers_too_large'])
  assert.match(String(body['detail']), /longer than the 16 KiB allowed here/)
  const strange = await dial(t, running)
  strange.write('HELO here\r\n\r\n')
  const other = await ended(strange)
  assert.deepEqual([other.status, other.body['code']], [400, 'bad_request'])
  assert.match(String(other.body['detail']), /^That is no HTTP request: /)
})

describe('a client that asks before it sends', () => {
  const form = 'Content-Type: multipart/form-data; boundary=b'
  const expect = 'Expect: 100-continue'

  test('is refused by the headers alone, over a connection that ends with it', async (t) => {
    const running = await startRunning(t, { apiKey: 'key', maxUploadBytes: MIB })
    const large = `Content-Length: ${8 * MIB}`
    const key = 'X-API-Key: key'
    const cases: [string, number, string][] = [
      [head('POST', '/remote-jobs', form, large, expect, key), 413, 'too_large'],
      [head('POST', '/remote-jobs/claim', large, expect, key), 413, 'too_large'],
      [head('POST', '/remote-jobs', form, large, expect), 401, 'unauthorized'],
      [head('POST', '/nowhere', form, large, expect, key), 404, 'not_found'],
    ]
    for (const [request, status, code] of cases) {
      const socket = await dial(t, running)
      socket.write(request)
      const answer = await ended(socket)
      assert.deepEqual([answer.status, answer.body['code']], [status, code], request)
    }
  })

  test('gets 100 Continue once its body is read, and keeps its connection', async (t) => {
    const running = await startRunning(t)
    const body = JSON.stringify({ worker_id: 'w', content_types: ['audio'], claim_id: 'c' })
    const socket = await dial(t, running)
    for (let n = 0; n < 2; n += 1) {
      socket.write(head('POST', '/remote-jobs/claim', `Content-Length: ${body.length}`, expect))
      const [first] = (await once(socket, 'data')) as [Buffer]
      assert.equal(String(first), 'HTTP/1.1 100 Continue\r\n\r\n')
      socket.write(body)
      const [second] = (await once(socket, 'data')) as [Buffer]
      assert.match(String(second), /^HTTP\/1\.1 200 OK[^]*"jobs":\[\]/)
    }
  })
})

describe('JSON that is built to be a burden', () => {
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)
  const claimWith = (more: string): string =>
    `{"worker_id":"w","content_types":["audio"],"claim_id":"c","more":${more}}`

  test('is refused with a sentence wherever it comes in, and the coordinator goes on', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const result = `/remote-jobs/${job.job_id}/result`
    const said = async (method: string, route: string, raw: string): Promise<string> => {
      const { status, body } = await running.ask(method, route, { raw })
      const [problem] = body['detail'] as { msg: string; type: string }[]
      assert.deepEqual([status, problem?.type], [422, 'json_invalid'])
      return problem!.msg
    }
    const nested = 'The JSON is nested more than 100 levels deep.'
    assert.equal(await said('PUT', result, '['.repeat(32 * MIB)), nested)
    assert.equal(await said('PUT', result, '{"a":'.repeat(MIB)), nested)
    assert.equal(await said('POST', '/remote-jobs/claim', claimWith(deep(100))), nested)
    const many = `{"metadata":{"a":[${'{},'.repeat(1_000_001)}0]}}`
    assert.equal(
      await said('PUT', result, many),
      'The JSON has more than 1000000 objects and arrays.',
    )
    const values = `[${'1,'.repeat(4_000_001)}0]`
    assert.equal(await said('PUT', result, values), 'The JSON has more than 4000000 values.')
    const names = (count: number): string =>
      `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(',')}}`
    assert.equal(
      await said('PUT', result, `{"metadata":${names(1_500_000)}}`),
      'The JSON has more than 10000 different names of fields.',
    )
    const same = `{"more":[${`${names(100)},`.repeat(500)}0]}`
    assert.equal((await running.ask('POST', '/remote-jobs/claim', { raw: same })).status, 422)
    const fits = await running.ask('POST', '/remote-jobs/claim', { raw: claimWith(deep(99)) })
    assert.equal(fits.status, 200)
    const inText = await running.ask('POST', '/remote-jobs/claim', {
      raw: claimWith(JSON.stringify(`${'['.repeat(500)}\\"${'{'.repeat(500)}"`)),
    })
    assert.equal(inText.status, 200)
  })

  test('is refused in the fields of a form too', async (t) => {
    const running = await startRunning(t)
    const form = new FormData()
    form.set('file', new File(['speech'], 'talk.mp3'))
    form.set('content_type', 'audio')
    form.set('task_options', `{"a":${deep(100)}}`)
    const answer = await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })
    assert.equal(answer.status, 422)
    assert.match(await answer.text(), /nested more than 100 levels deep/)
    const asked = new FormData()
    asked.set('file', new File(['speech'], 'talk.mp3'))
    asked.set('request_data', `{"metadata":{"remote":true,"a":${deep(100)}}}`)
    const process = await fetch(`${running.url}/api/v1/process`, { method: 'POST', body: asked })
    assert.equal(process.status, 400)
    assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
  })
})

describe('a form', () => {
  async function sent(running: Running, fields: [string, string | Blob][]): Promise<string> {
    const form = new FormData()
    form.set('content_type', 'audio')
    for (const [name, value] of fields) form.append(name, value)
    form.set('file', new File(['speech'], 'talk.mp3'))
    const answer = await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })
    return `${answer.status} ${await answer.text()}`
  }

  test('has a limit on fields and files and their lengths; nothing of another is kept', async (t) => {
    const running = await startRunning(t)
    const many = (count: number, value: string | Blob): [string, string | Blob][] =>
      Array.from({ length: count }, (_, n) => [`f${n}`, value])
    assert.match(await sent(running, many(49, 'x')), /^200 /)
    assert.match(await sent(running, many(50, 'x')), /^413 .*its number of parts is more/)
    assert.match(await sent(running, many(9, new Blob(['x']))), /^200 /)
    assert.match(
      await sent(running, many(10, new Blob(['x']))),
      /^413 .*its number of parts is more/,
    )
    assert.match(await sent(running, [['task_options', 'x'.repeat(MIB)]]), /^422 /)
    const long = await sent(running, [['task_options', ' '.repeat(MIB + 1)]])
    assert.match(long, /^413 .*the field 'task_options' is more than is allowed/)
    assert.deepEqual(unfinished(running), [])
  })

  test('that meets a folder that is gone is not its client’s fault', async (t) => {
    const running = await startRunning(t)
    rmSync(path.join(running.dataDir, 'sources', '.incoming'), { recursive: true })
    const [status] = (await sent(running, [])).split(' ')
    assert.equal(status, '500')
  })
})

describe('a result', () => {
  async function handedIn(running: Running, body: object): Promise<string> {
    const job = await claimedJob(running)
    const { status, text: said } = await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, {
      json: { success: true, content: '', lease_token: job.lease_token, ...body },
    })
    return `${status} ${said}`
  }

  test('has a limit on segments', async (t) => {
    const running = await startRunning(t)
    const segments = (count: number) => ({
      metadata: { segments: Array.from({ length: count }, () => ({ start: 0, end: 0, text: '' })) },
    })
    assert.match(await handedIn(running, segments(250_000)), /^200 /)
    assert.equal(
      await handedIn(running, segments(250_001)),
      '413 {"detail":"The result is not taken: it has more than 250000 segments.","code":"too_large"}',
    )
  })

  test('may have so much text and metadata, in bytes, and no more', () => {
    const taken = (content: string, text: string) => () =>
      packResult({ content, metadata: { text } }, null)
    const refused = (message: RegExp) => ({ name: 'AppError', code: 'too_large', message })
    const around = '{"text":""}'.length
    taken('ä'.repeat(8 * MIB), 'x'.repeat(48 * MIB - around))()
    assert.throws(taken('ä'.repeat(8 * MIB + 1), ''), refused(/its text is larger than 16 MiB/))
    const large = taken('', 'x'.repeat(48 * MIB - around + 1))
    assert.throws(large, refused(/its metadata is larger than 48 MiB/))
  })

  test('that is a failure has its story cut, and not refused', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const { status } = await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, {
      json: {
        success: false,
        error_code: 'invalid_media',
        error_message: `${'x'.repeat(9_998)}😀 and more`,
        lease_token: job.lease_token,
      },
    })
    assert.equal(status, 200)
    const { body } = await running.ask('GET', `/remote-jobs/${job.job_id}`)
    assert.equal(body['error_message'], `${'x'.repeat(9_998)}…`)
  })
})

describe('what a worker says of itself', () => {
  const idle = { state: 'idle', version: '1', slots: 1 }

  test('is bounded word by word, list by list', async (t) => {
    const running = await startRunning(t)
    const beat = async (more: object): Promise<number> =>
      (await running.ask('POST', '/workers/w/heartbeat', { json: { ...idle, jobs: [], ...more } }))
        .status
    const job = { job_id: 'j', lease_token: 't', stage: 's', progress: 0 }
    const slot = { slot: 0, reason: '', until: null }
    assert.equal(await beat({ jobs: [job], paused: [slot] }), 200)
    for (const more of [
      { jobs: [{ ...job, job_id: 'j'.repeat(101) }] },
      { jobs: [{ ...job, lease_token: 't'.repeat(501) }] },
      { jobs: Array.from({ length: 1_001 }, () => job) },
      { paused: Array.from({ length: 1_001 }, () => slot) },
      { version: 'v'.repeat(101) },
    ])
      assert.equal(await beat(more), 422, JSON.stringify(more).slice(0, 100))
    const named = await running.ask('POST', `/workers/${'w'.repeat(201)}/heartbeat`, {
      json: { ...idle, jobs: [] },
    })
    assert.equal(named.status, 422)
  })

  test('never makes a deadline that is no instant', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const beat = { job_id: job.job_id, lease_token: job.lease_token, stage: 's', progress: 0 }
    const { status } = await running.ask('POST', '/workers/w1/heartbeat', {
      json: { ...idle, jobs: [{ ...beat, media_seconds: 1e300, processed_seconds: 1e300 }] },
    })
    assert.equal(status, 200)
    const detail = await running.ask('GET', `/remote-jobs/${job.job_id}`)
    assert.equal(detail.status, 200)
    const { deadline_at: deadline } = detail.body['lease'] as { deadline_at: string }
    assert.ok(Date.parse(deadline) > Date.now())
  })
})

describe('calls that wait for work', () => {
  test('are at most 64 of a worker, with Retry-After beyond', async (t) => {
    const running = await startRunning(t)
    const leave = new AbortController()
    const call = async (workerId: string) =>
      await claim(running, { worker_id: workerId, wait_seconds: 60 }, leave.signal).catch(() => [])
    const calls = Array.from({ length: 64 }, async () => await call('busy'))
    const waiting = async () => (await running.ask('GET', '/health')).body['waiting_claims']
    await until(async () => (await waiting()) === 64)
    const { status, headers, body } = await running.ask('POST', '/remote-jobs/claim', {
      json: { worker_id: 'busy', content_types: ['audio'], claim_id: 'more', wait_seconds: 60 },
    })
    const found = [status, body['code'], headers.get('retry-after')]
    assert.deepEqual(found, [429, 'too_many_requests', '5'])
    assert.match(String(body['detail']), /^64 calls of the worker 'busy' wait for work/)
    leave.abort()
    await Promise.all(calls)
  })

  test('are at most 4 096 of all together, and one that has gone makes room', async (t) => {
    const it = await assembled(t)
    const leave = new AbortController()
    setMaxListeners(0, leave.signal)
    const call = async (n: number, signal = leave.signal): Promise<number> =>
      (await it.claim({ workerId: `w${n % 100}`, waitMs: HOUR, signal })).length
    const first = new AbortController()
    const calls = Array.from({ length: 4_095 }, async (_, n) => await call(n))
    calls.push(call(4_095, first.signal))
    await until(() => it.claims.waiting === 4_096)
    const refused = { code: 'too_many_requests', message: /^4096 calls wait for work/ }
    await assert.rejects(call(4_096), refused)
    first.abort()
    assert.equal(await calls.pop(), 0)
    const last = call(4_096)
    await until(() => it.claims.waiting === 4_096)
    // Who does not wait is never one too many.
    assert.deepEqual(await it.claim({ workerId: 'w0' }), [])
    await it.add()
    assert.equal(await Promise.race(calls), 1)
    leave.abort()
    await Promise.all([...calls, last])
    assert.equal(it.claims.waiting, 0)
  })
})

test('a limited number of workers is known, until one is forgotten', () => {
  let now = NOON
  const workers = new Workers(() => now)
  for (let n = 0; n < 10_000; n += 1) workers.update(`w${n}`, {})
  const refused = { code: 'too_many_requests', message: /^10000 workers are known.*'another'/ }
  assert.throws(() => workers.update('another', {}), refused)
  now += HOUR
  workers.update('w0', {})
  now += 23 * HOUR + 1
  workers.prune()
  workers.update('another', {})
  assert.deepEqual(
    workers.all().map((one) => one.workerId),
    ['w0', 'another'],
  )
})
