import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { claim, startRunning, until, type Answer, type Asked, type Running } from './running.ts'

const BOUNDARY = 'between-the-parts'
const MIB = 1024 * 1024

interface Part {
  name: string
  value: string | Buffer
  /** Given: the part is a file. */
  filename?: string
}

/** A multipart body as bytes, its parts in this order. */
function form(...parts: Part[]): Buffer {
  const chunks = parts.flatMap(({ name, value, filename }) => [
    Buffer.from(head(name, filename)),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...chunks, Buffer.from(`--${BOUNDARY}--\r\n`)])
}

function head(name: string, filename?: string): string {
  const file = filename === undefined ? '' : `; filename="${filename}"`
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`
}

const MULTIPART = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
const TYPE: Part = { name: 'content_type', value: 'audio' }
const FILE: Part = { name: 'file', value: 'speech', filename: 'talk.mp3' }

async function upload(running: Running, body: Buffer, headers = {}): Promise<Answer> {
  const asked: Asked = { raw: new Uint8Array(body), headers: { ...MULTIPART, ...headers } }
  return await running.ask('POST', '/remote-jobs/', asked)
}

async function detailOf(running: Running, { body, text }: Answer): Promise<Answer['body']> {
  assert.equal(typeof body['job_id'], 'string', text)
  return (await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)).body
}

async function count(running: Running): Promise<number> {
  const { body } = await running.ask('GET', '/remote-jobs')
  return (body['jobs'] as unknown[]).length
}

/** What lies in the folder of sources: uploads under way and those of jobs. */
function stored({ dataDir }: Running): { incoming: string[]; adopted: string[] } {
  const dir = path.join(dataDir, 'sources')
  const adopted = readdirSync(dir).filter((name) => name !== '.incoming')
  return { incoming: readdirSync(path.join(dir, '.incoming')), adopted }
}

/** Files below the folder that this process holds open. */
function openFiles({ dataDir }: Running): string[] {
  const sources = path.join(dataDir, 'sources')
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith(sources) ? [file] : []
    } catch {
      return []
    }
  })
}

async function rawSocket(t: TestContext, { url }: Running): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

function requestHead(length: number): string {
  return [
    'POST /api/v1/remote-jobs HTTP/1.1',
    'Host: here',
    `Content-Type: ${MULTIPART['content-type']}`,
    `Content-Length: ${length}`,
    '\r\n',
  ].join('\r\n')
}

/** Writes a request and gives the first of what comes back. */
async function answerTo(socket: Socket, bytes: string): Promise<string> {
  const first = once(socket, 'data') as Promise<[Buffer]>
  socket.write(bytes)
  return String((await first)[0])
}

test('an upload makes a job that knows its file’s name, size and digest, and leaves the bytes as they came', async (t) => {
  const running = await startRunning(t)
  const bytes = randomBytes(3 * MIB + 17)
  const answer = await upload(running, form(TYPE, { ...FILE, value: bytes }))
  assert.equal(answer.status, 200)
  assert.deepEqual(Object.keys(answer.body), ['job_id', 'status', 'created_at'])
  assert.equal(answer.body['status'], 'pending')
  const job = await detailOf(running, answer)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(job['source'], {
    kind: 'upload',
    url: null,
    filename: 'talk.mp3',
    size_bytes: bytes.length,
    sha256,
  })
  assert.equal(job['ingestion_task_id'], answer.body['job_id'])
  const id = String(answer.body['job_id'])
  const kept = readFileSync(path.join(running.dataDir, 'sources', id, 'source'))
  assert.ok(kept.equals(bytes))
  assert.deepEqual(stored(running), { incoming: [], adopted: [id] })
  const [claimed] = await claim(running)
  assert.equal(claimed?.source.sha256, sha256)
  assert.equal(claimed?.source.size_bytes, bytes.length)
})

describe('the fields of an upload', () => {
  const fields: Part[] = [
    TYPE,
    { name: 'task_options', value: '{"language":"en"}' },
    { name: 'ingestion_task_id', value: 'task-7' },
    { name: 'priority', value: '5' },
    { name: 'nobody_knows', value: 'this' },
  ]

  for (const [where, parts] of [
    ['before', [...fields, FILE]],
    ['after', [FILE, ...fields]],
    ['around', [fields[0]!, fields[1]!, FILE, ...fields.slice(2)]],
  ] as const) {
    test(`count when they come ${where} the file`, async (t) => {
      const running = await startRunning(t)
      const job = await detailOf(running, await upload(running, form(...parts)))
      assert.equal(job['content_type'], 'audio')
      assert.deepEqual(job['task_options'], { language: 'en' })
      assert.equal(job['ingestion_task_id'], 'task-7')
      assert.equal(job['priority'], 5)
    })
  }

  const wrong: [string, Part[], string][] = [
    ['no content type', [FILE], 'content_type'],
    [
      'task options that are no JSON',
      [TYPE, FILE, { name: 'task_options', value: '{' }],
      'task_options',
    ],
    [
      'task options that are a list',
      [TYPE, FILE, { name: 'task_options', value: '[]' }],
      'task_options',
    ],
    ['a priority that is no number', [TYPE, FILE, { name: 'priority', value: 'high' }], 'priority'],
    ['no file', [TYPE], 'file'],
    ['a file under another name', [TYPE, { ...FILE, name: 'audio' }], 'file'],
    ['a file part that is only a field', [TYPE, { name: 'file', value: 'speech' }], 'file'],
  ]
  for (const [what, parts, field] of wrong) {
    test(`${what}: 422 names the field, and nothing is kept`, async (t) => {
      const running = await startRunning(t)
      const { status, body } = await upload(running, form(...parts))
      assert.equal(status, 422)
      assert.equal(body['code'], 'invalid')
      const detail = body['detail'] as { loc: string[]; msg: string; type: string }[]
      assert.deepEqual(detail[0]?.loc, ['body', field])
      assert.equal(typeof detail[0].msg, 'string')
      assert.equal(typeof detail[0].type, 'string')
      assert.deepEqual(stored(running), { incoming: [], adopted: [] })
      assert.equal(await count(running), 0)
    })
  }
})

test('of several files only the part named file counts, the first of them', async (t) => {
  const running = await startRunning(t)
  const body = form({ name: 'cover', value: 'a picture', filename: 'cover.jpg' }, TYPE, FILE, {
    name: 'file',
    value: 'another',
    filename: 'another.mp3',
  })
  const job = await detailOf(running, await upload(running, body))
  const source = job['source'] as Record<string, unknown>
  assert.equal(source['filename'], 'talk.mp3')
  assert.equal(source['size_bytes'], 6)
  assert.deepEqual(stored(running).incoming, [])
})

test('an empty file is a file', async (t) => {
  const running = await startRunning(t)
  const job = await detailOf(running, await upload(running, form(TYPE, { ...FILE, value: '' })))
  assert.equal((job['source'] as Record<string, unknown>)['size_bytes'], 0)
})

describe('the name of an upload', () => {
  const long = 'a'.repeat(254)
  for (const [sent, kept] of [
    ['talk.mp3', 'talk.mp3'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\\\music\\\\song.wav', 'song.wav'],
    ['Übung – 日本語 🎧.mp3', 'Übung – 日本語 🎧.mp3'],
    ['a%0Ab%0d%22c%22%20d.mp3', 'ab"c"%20d.mp3'],
    ['..', 'source'],
    ['%0A', 'source'],
    ['', 'source'],
    ['a/', 'source'],
    ['bell\u0007and\u007ftab\t.mp3', 'bellandtab.mp3'],
    [`${long}😀😀`, long],
    ['.hidden', '.hidden'],
  ] as const) {
    test(`${JSON.stringify(sent.slice(-20))} becomes ${JSON.stringify(kept.slice(-20))}, and its file can be fetched`, async (t) => {
      const running = await startRunning(t)
      const answer = await upload(running, form(TYPE, { ...FILE, filename: sent }))
      const job = await detailOf(running, answer)
      assert.equal((job['source'] as Record<string, unknown>)['filename'], kept)
      const [claimed] = await claim(running)
      const fetched = await running.ask('GET', `/remote-jobs/${claimed!.job_id}/download`, {
        headers: { 'morag-lease': claimed!.lease_token },
      })
      assert.equal(fetched.status, 200)
      assert.equal(fetched.text, 'speech')
    })
  }
})

describe('an upload that is too large', () => {
  test('is refused by its content-length, before its bytes come', async (t) => {
    const running = await startRunning(t, { maxUploadBytes: 1_000 })
    const socket = await rawSocket(t, running)
    const answer = await answerTo(socket, requestHead(5 * MIB))
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /"code":"too_large"/)
    assert.match(answer, /1000 bytes/)
    assert.equal(await count(running), 0)
  })

  test('is refused when its length was not said, and leaves no file', async (t) => {
    const running = await startRunning(t, { maxUploadBytes: 1_000 })
    const bytes = form(TYPE, { ...FILE, value: Buffer.alloc(1_001) })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const send = async (body: Buffer): Promise<IncomingMessage> => {
      const options = { method: 'POST', agent, headers: MULTIPART }
      const request = httpRequest(`${running.url}/api/v1/remote-jobs/`, options)
      Readable.from([body]).pipe(request)
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      return answer
    }
    const refused = await send(bytes)
    assert.equal(refused.statusCode, 413)
    assert.match(await text(refused), /"code":"too_large"/)
    assert.deepEqual(stored(running), { incoming: [], adopted: [] })
    await until(() => openFiles(running).length === 0)
    // The connection is still of use.
    const taken = await send(form(TYPE, { ...FILE, value: Buffer.alloc(1_000) }))
    assert.equal(taken.statusCode, 200)
    await text(taken)
    assert.equal(await count(running), 1)
  })
})

describe('an upload that breaks off', () => {
  for (const [where, body] of [
    ['in the file', `${head('content_type')}audio\r\n${head('file', 'talk.mp3')}spee`],
    ['right after the head of the file', `${head('file', 'talk.mp3')}`],
    ['in the head of the next part', `${head('file', 'talk.mp3')}speech\r\n--${BOUNDARY}\r\nConte`],
    ['before the first part', `--${BOUNDARY}\r\n`],
    ['before anything', ''],
  ] as const) {
    test(`${where} is a 400 when the body claims to be whole; the coordinator lives and keeps nothing`, async (t) => {
      const running = await startRunning(t)
      const socket = await rawSocket(t, running)
      const answer = await answerTo(socket, `${requestHead(body.length)}${body}`)
      assert.match(answer, /^HTTP\/1\.1 4(00|22) /)
      assert.equal((await running.ask('GET', '/health')).status, 200)
      assert.deepEqual(stored(running), { incoming: [], adopted: [] })
      await until(() => openFiles(running).length === 0)
      assert.equal(await count(running), 0)
    })

    test(`${where} because the connection is cut leaves no file, no job and no open file`, async (t) => {
      const running = await startRunning(t)
      const socket = await rawSocket(t, running)
      socket.write(`${requestHead(body.length + 1_000)}${body}`)
      if (where === 'in the file') await until(() => stored(running).incoming.length === 1)
      socket.destroy()
      await until(async () => openFiles(running).length === 0)
      await until(() => stored(running).incoming.length === 0)
      assert.deepEqual(stored(running), { incoming: [], adopted: [] })
      assert.equal(await count(running), 0)
      assert.deepEqual(
        running.logged.filter((line) => /"level":(50|60)/.test(line)),
        [],
      )
    })
  }

  test('a form without a boundary is a 400', async (t) => {
    const running = await startRunning(t)
    const { status, body } = await upload(running, form(TYPE, FILE), {
      'content-type': 'multipart/form-data',
    })
    assert.equal(status, 400)
    assert.equal(body['code'], 'bad_request')
  })
})

describe('an Idempotency-Key', () => {
  const key = { 'idempotency-key': 'key-1' }

  test('sent twice makes one job and keeps one file', async (t) => {
    const running = await startRunning(t)
    const first = await upload(running, form(TYPE, FILE), key)
    const second = await upload(running, form(TYPE, FILE), key)
    assert.deepEqual(second.body, first.body)
    assert.equal(await count(running), 1)
    assert.deepEqual(stored(running), { incoming: [], adopted: [first.body['job_id']] })
  })

  test('sent by ten at once makes one job', async (t) => {
    const running = await startRunning(t)
    const all = await Promise.all(
      Array.from({ length: 10 }, async () => await upload(running, form(TYPE, FILE), key)),
    )
    assert.equal(new Set(all.map(({ body }) => body['job_id'])).size, 1)
    assert.deepEqual(stored(running), { incoming: [], adopted: [all[0]!.body['job_id']] })
  })

  test('outlives a restart and the job’s start', async (t) => {
    const running = await startRunning(t)
    const first = await upload(running, form(TYPE, FILE), key)
    await claim(running)
    await running.stop()
    const again = await startRunning(t, { root: running.root })
    assert.deepEqual(
      (await upload(again, form(TYPE, FILE), key)).body['job_id'],
      first.body['job_id'],
    )
  })

  test('of a job that has ended says so', async (t) => {
    const running = await startRunning(t)
    const { body } = await upload(running, form(TYPE, FILE), key)
    await running.ask('POST', `/remote-jobs/${String(body['job_id'])}/cancel`)
    const again = await upload(running, form(TYPE, FILE), key)
    assert.deepEqual(again.body, { ...body, status: 'cancelled' })
  })

  test('of a job by its path says what has become of it, too', async (t) => {
    const running = await startRunning(t)
    const asked: Asked = {
      json: {
        source_file_path: running.file('talk.mp3'),
        content_type: 'audio',
        ingestion_task_id: 'task-1',
      },
      headers: key,
    }
    const { body } = await running.ask('POST', '/remote-jobs/', asked)
    assert.equal(body['status'], 'pending')
    await claim(running)
    const again = await running.ask('POST', '/remote-jobs/', asked)
    assert.deepEqual(again.body, { ...body, status: 'processing' })
  })

  for (const [what, parts] of [
    ['content type', [{ ...TYPE, value: 'video' }, FILE]],
    ['task', [TYPE, FILE, { name: 'ingestion_task_id', value: 'other' }]],
    ['file', [TYPE, { ...FILE, value: 'other speech' }]],
  ] as const) {
    test(`of another ${what} is a conflict`, async (t) => {
      const running = await startRunning(t)
      await upload(running, form(TYPE, FILE), key)
      const { status, body } = await upload(running, form(...parts), key)
      assert.equal(status, 409)
      assert.equal(body['code'], 'conflict')
      assert.equal(await count(running), 1)
    })
  }

  test('that is empty is none', async (t) => {
    const running = await startRunning(t)
    await upload(running, form(TYPE, FILE), { 'idempotency-key': '' })
    await upload(running, form(TYPE, FILE), { 'idempotency-key': ' ' })
    assert.equal(await count(running), 2)
  })

  test('works for a file named by its path as well', async (t) => {
    const running = await startRunning(t)
    const json = {
      source_file_path: running.file('a.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task',
    }
    const first = await running.ask('POST', '/remote-jobs', { json, headers: key })
    const second = await running.ask('POST', '/remote-jobs', { json, headers: key })
    assert.equal(second.body['job_id'], first.body['job_id'])
    const other = { ...json, source_file_path: running.file('b.mp3') }
    const third = await running.ask('POST', '/remote-jobs', { json: other, headers: key })
    assert.equal(third.status, 409)
  })
})

test('a 300 MiB upload goes through with flat memory', async (t) => {
  const running = await startRunning(t)
  const chunk = randomBytes(MIB)
  const size = 300
  const hash = createHash('sha256')
  let most = 0
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.from(head('file', 'large.mkv'))
    for (let sent = 0; sent < size; sent += 1) {
      hash.update(chunk)
      yield chunk
      most = Math.max(most, process.memoryUsage.rss())
    }
    yield Buffer.from(`\r\n${head('content_type')}video\r\n--${BOUNDARY}--\r\n`)
  }
  const before = process.memoryUsage.rss()
  const options = { method: 'POST', headers: MULTIPART }
  const request = httpRequest(`${running.url}/api/v1/remote-jobs`, options)
  Readable.from(body(), { objectMode: false, highWaterMark: MIB }).pipe(request)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  const { job_id: jobId } = JSON.parse(await text(answer)) as { job_id: string }
  const { body: job } = await running.ask('GET', `/remote-jobs/${jobId}`)
  const source = job['source'] as Record<string, unknown>
  assert.equal(source['size_bytes'], size * MIB)
  assert.equal(source['sha256'], hash.digest('hex'))
  const grown = (most - before) / MIB
  assert.ok(grown < 120, `grew by ${Math.round(grown)} MiB`)
})
