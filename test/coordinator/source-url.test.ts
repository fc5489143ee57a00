import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { Readable } from 'node:stream'
import { describe, test, type TestContext } from 'node:test'
import { Connection } from '../../shared/connection.ts'
import { Client } from '../../agent/client/client.ts'
import { download as agentDownload } from '../../agent/client/download.ts'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import { Sources } from '../../coordinator/blobs/sources.ts'
import { AddressGuard } from '../../coordinator/ingestion/address-guard.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import {
  claim,
  NO_INGESTION,
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
  type Setup,
} from './running.ts'
import {
  originsFor,
  sendBytes,
  startWebServer,
  type Handler,
  type WebServer,
} from './web-server.ts'

/** MPEG audio, as far as its headers go. */
const FRAME = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x00]), Buffer.alloc(413)])
const TALK = Buffer.concat(
  Array.from({ length: 400 }, (_, at) => FRAME.map((byte, i) => (i < 4 ? byte : at))),
)
const OTHER = Buffer.from(TALK).fill(7, 100)
const SECRET = 'X-Amz-Signature=abcdef0123456789'

interface Scene {
  running: Running
  web: WebServer
  create: (at: string, different?: object, headers?: Record<string, string>) => Promise<Answer>
  /** The one job, claimed. */
  claimed: () => Promise<Claimed>
  download: (job: Claimed, headers?: Record<string, string>, method?: string) => Promise<Answer>
  /** The jobs of which the coordinator has stored a source; unfinished files. */
  stored: () => string[]
}

async function scene(t: TestContext, setup: Setup = {}): Promise<Scene> {
  const web = await startWebServer(t)
  web.files.set('/a/talk.mp3', TALK)
  const running = await startRunning(t, { sourceAllow: ['127.0.0.1'], ...setup })
  const sources = path.join(running.dataDir, 'sources')
  return {
    running,
    web,
    create: async (at, different = {}, headers = {}) => {
      const source_url = at.startsWith('/') ? `${web.url}${at}` : at
      const json = { source_url, ...different }
      return await running.ask('POST', '/remote-jobs/', { headers, json })
    },
    claimed: async () => {
      const content_types = ['audio', 'video', 'document']
      const [job] = await claim(running, { content_types })
      return job!
    },
    download: async (job, headers = {}, method = 'GET') =>
      await running.ask(method, `/remote-jobs/${job.job_id}/download`, {
        headers: { 'morag-lease': job.lease_token, ...headers },
      }),
    stored: () =>
      [...readdirSync(sources), ...readdirSync(path.join(sources, '.incoming'))].filter(
        (name) => name !== '.incoming',
      ),
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Sends headers and a part of the file, then breaks off. */
function cutAfter(bytes: number): Handler {
  return (request, response) => {
    const end = response.end.bind(response)
    response.end = ((part: Buffer) => {
      if (part.length <= bytes) return end(part)
      return response.write(part.subarray(0, bytes), () => response.destroy())
    }) as ServerResponse['end']
    sendBytes(request, response, TALK)
  }
}

/** As Python's http.server: no ranges, and a Last-Modified of just now. */
const whole: Handler = (_, response) => {
  const now = new Date().toUTCString()
  response.writeHead(200, { 'content-length': TALK.length, 'last-modified': now }).end(TALK)
}

/** As a server behind a compressing proxy: ranges, but nothing that shows a change. */
const weak: Handler = (request, response) => {
  const writeHead = response.writeHead.bind(response)
  response.writeHead = ((status: number, headers: object) =>
    writeHead(status, { ...headers, etag: 'W/"1"' })) as ServerResponse['writeHead']
  sendBytes(request, response, TALK)
}

const redirect =
  (location: string): Handler =>
  (_, response) =>
    response.writeHead(302, { location }).end()

describe('a job of an address whose server gives ranges', () => {
  test('stores nothing: each worker gets the bytes from there, in ranges', async (t) => {
    const { create, web, claimed, download, stored } = await scene(t)
    const { status, text } = await create('/a/talk.mp3')
    assert.equal(status, 200, text)
    assert.deepEqual(web.asked, ['GET /a/talk.mp3 bytes=0-65535'])
    const job = await claimed()
    const { filename, size_bytes: size, sha256: digest, etag } = job.source
    assert.deepEqual(
      [job['content_type'], filename, size, digest],
      ['audio', 'talk.mp3', TALK.length, null],
    )
    const all = await download(job)
    assert.deepEqual([all.status, all.headers.get('etag')], [200, etag])
    assert.equal(all.headers.get('content-length'), String(TALK.length))
    const rest = await download(job, { range: 'bytes=70000-', 'if-range': etag })
    assert.equal(rest.status, 206)
    assert.equal(rest.headers.get('content-range'), `bytes 70000-${size - 1}/${size}`)
    const asked = web.asked.length
    assert.equal(web.asked.at(-1), `GET /a/talk.mp3 bytes=70000-${size - 1}`)
    assert.equal((await download(job, {}, 'HEAD')).headers.get('content-length'), String(size))
    assert.equal((await download(job, { range: `bytes=${size}-` })).status, 416)
    assert.equal(web.asked.length, asked)
    assert.deepEqual(stored(), [])
  })

  test('shows neither its query nor its password, and sends that to its own server alone', async (t) => {
    const { create, web, claimed, download, running } = await scene(t)
    const logins: (string | undefined)[] = []
    const login: Handler = (request, response) => {
      logins.push(request.headers.authorization)
      sendBytes(request, response, TALK)
    }
    const other = await startWebServer(t)
    other.files.set('/cdn', login)
    web.files.set('/a/talk.mp3', login).set('/moved', (request, response) => {
      logins.push(request.headers.authorization)
      response.writeHead(307, { location: `${other.url}/cdn?${SECRET}` }).end()
    })
    const withLogin = web.url.replace('//', '//ann:s3cret-w%C3%B6rd@')
    const seen = [
      (await create(`${withLogin}/a/talk.mp3?${SECRET}#t=3`)).text,
      (await create(`${withLogin}/moved`, { content_type: 'audio' })).text,
    ]
    const basic = `Basic ${Buffer.from('ann:s3cret-wörd').toString('base64')}`
    assert.deepEqual(logins, [basic, basic, undefined])
    const job = await claimed()
    await download(job)
    for (const route of [
      `/remote-jobs/${job.job_id}`,
      '/remote-jobs',
      `/remote-jobs/${job.job_id}/status`,
    ])
      seen.push((await running.ask('GET', route)).text)
    const text = [...seen, JSON.stringify(job), ...running.logged].join('\n')
    assert.doesNotMatch(text, /abcdef|s3cret|ann:|Basic/)
    const { source } = (await running.ask('GET', `/remote-jobs/${job.job_id}`)).body as {
      source: object
    }
    assert.deepEqual(source, {
      kind: 'url',
      url: `${web.url}/a/talk.mp3?…`,
      filename: 'talk.mp3',
      size_bytes: TALK.length,
      sha256: null,
    })
  })

  test('plays on the job’s page, also after a restart', async (t) => {
    const { create, running, web } = await scene(t)
    web.files.set('/play', (request, response) => {
      response.setHeader('content-disposition', `attachment; filename*=UTF-8''%C3%9Cbung.mp3`)
      sendBytes(request, response, TALK)
    })
    const id = String((await create('/play')).body['job_id'])
    await running.stop()
    const again = await startRunning(t, { root: running.root, sourceAllow: ['127.0.0.1'] })
    const headers = { range: 'bytes=0-99' }
    const answer = await again.ask('GET', `/remote-jobs/${id}/source`, { headers })
    assert.equal(answer.status, 206)
    assert.equal(answer.headers.get('content-type'), 'audio/mpeg')
    assert.match(
      answer.headers.get('content-disposition')!,
      /^inline; filename="(Ü|%C3%9C)bung\.mp3"/,
    )
    assert.equal(answer.headers.get('content-length'), '100')
  })

  test('is taken up by the agent where a connection broke off', async (t) => {
    const { web, claimed, running } = await scene(t)
    const connection = new Connection({ url: running.url, retryMinMs: 1, retryMaxMs: 2 })
    t.after(async () => await connection.close())
    const body = { sourceUrl: `${web.url}/a/talk.mp3`, taskOptions: { language: 'en' } }
    const { jobId } = await new Client(connection).createFromUrl(body, 'k1')
    web.files.set('/a/talk.mp3', cutAfter(60_000))
    const job = await claimed()
    assert.deepEqual([job.job_id, job['task_options']], [jobId, body.taskOptions])
    const target = path.join(running.root, 'downloaded')
    const { source, lease_token: leaseToken } = job
    const { size_bytes: sizeBytes, ...facts } = source
    const got = await agentDownload({
      connection,
      source: { ...facts, sizeBytes },
      leaseToken,
      target,
      signal: new AbortController().signal,
    })
    assert.equal(got.sha256, sha256(TALK))
    assert.deepEqual(readFileSync(target), TALK)
    assert.ok(running.logged.some((line) => line.includes('broke off')))
    assert.deepEqual(
      running.logged.filter((line) => /"level":(50|60)/.test(line)),
      [],
    )
  })

  test('goes on where a cache on the way answers with the whole', async (t) => {
    const { create, web, claimed, download } = await scene(t)
    await create('/a/talk.mp3')
    web.files.set('/a/talk.mp3', (request, response) => {
      delete request.headers.range
      sendBytes(request, response, TALK)
    })
    const job = await claimed()
    const { status, text } = await download(job, { range: 'bytes=417-420' })
    assert.deepEqual([status, text], [206, TALK.toString('utf8', 417, 421)])
  })

  const later: [string, Buffer | Handler | null, number, string, RegExp][] = [
    ['has other bytes', OTHER, 409, 'source_changed', /has changed since/],
    ['is longer', Buffer.concat([TALK, FRAME]), 409, 'source_changed', /has changed since/],
    ['is shorter', TALK.subarray(0, 100), 409, 'source_changed', /has changed since/],
    ['is gone', null, 404, 'source_missing', /has no such file \(404 Not Found\)/],
    [
      'needs a login now',
      (_, r) => r.writeHead(403).end(),
      404,
      'source_missing',
      /refuses the file \(403 Forbidden\): the link has expired/,
    ],
    [
      'is busy',
      (_, r) => r.writeHead(503, { 'retry-after': '7' }).end(),
      502,
      'bad_gateway',
      /answers 503 Service Unavailable: try again later/,
    ],
    [
      'cannot be reached',
      (_, r) => r.destroy(),
      502,
      'bad_gateway',
      /could not be reached: the connection was cut/,
    ],
    [
      'moved into the network',
      redirect('http://10.0.0.1/a.mp3'),
      404,
      'source_missing',
      /10\.0\.0\.1 is not allowed: allow it with --source-allow/,
    ],
  ]
  test('says why a worker gets nothing, and whether a later try may help', async (t) => {
    const { create, web, claimed, download } = await scene(t)
    await create('/a/talk.mp3')
    const job = await claimed()
    for (const [what, now, status, code, said] of later) {
      if (now === null) web.files.delete('/a/talk.mp3')
      else web.files.set('/a/talk.mp3', now)
      const { body, headers, ...answer } = await download(job, { range: 'bytes=1000-' })
      assert.deepEqual([answer.status, body['code']], [status, code], what)
      assert.match(String(body['detail']), said)
      if (what === 'is busy') assert.equal(headers.get('retry-after'), '7')
    }
    web.files.set('/a/talk.mp3', TALK)
    assert.equal((await download(job, { range: 'bytes=1000-' })).status, 206)
  })
})

describe('a job of an address whose server gives no ranges', () => {
  test('of Python is stored once, with its digest, and goes as uploads do', async (t) => {
    const { create, claimed, download, stored, running } = await scene(t)
    const folder = path.join(running.root, 'www')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'talk one.mp3'), TALK)
    const python = spawn('python3', [
      '-u',
      '-m',
      'http.server',
      '0',
      '--bind',
      '127.0.0.1',
      '-d',
      folder,
    ])
    t.after(() => python.kill())
    const [line] = (await once(python.stdout, 'data')) as [Buffer]
    const port = /port (\d+)/.exec(String(line))![1]
    const { status, text } = await create(`http://127.0.0.1:${port}/talk%20one.mp3`)
    assert.equal(status, 200, text)
    python.kill()
    const job = await claimed()
    assert.equal(job.source.sha256, sha256(TALK))
    assert.equal(job.source.filename, 'talk one.mp3')
    assert.equal((await download(job, { range: 'bytes=5-' })).status, 206)
    const { source } = (await running.ask('GET', `/remote-jobs/${job.job_id}`)).body as {
      source: Record<string, unknown>
    }
    assert.deepEqual(
      [source['kind'], source['url']],
      ['url', `http://127.0.0.1:${port}/talk%20one.mp3`],
    )
    assert.deepEqual(stored(), [job.job_id])
    await running.ask('POST', `/remote-jobs/${job.job_id}/cancel`)
    const removed = await running.ask('DELETE', `/remote-jobs/${job.job_id}`)
    assert.equal(removed.body['freed_bytes'], TALK.length)
    assert.deepEqual(stored(), [])
  })

  test('is stored, too, where nothing shows a change', async (t) => {
    const { create, web, claimed } = await scene(t)
    web.files.set('/weak.mp3', weak)
    await create('/weak.mp3')
    assert.deepEqual(web.asked, ['GET /weak.mp3 bytes=0-65535', 'GET /weak.mp3'])
    assert.equal((await claimed()).source.sha256, sha256(TALK))
  })

  test('is fetched once for an Idempotency-Key, and a retry waits for it', async (t) => {
    const { create, web, running } = await scene(t)
    const waiting: (() => void)[] = []
    web.files.set(
      '/slow.mp3',
      (request, response) => void waiting.push(() => whole(request, response)),
    )
    const key = { 'idempotency-key': 'k1' }
    const gone = new AbortController()
    const first = running.ask('POST', '/remote-jobs/', {
      json: { source_url: `${web.url}/slow.mp3` },
      headers: key,
      signal: gone.signal,
    })
    await until(() => waiting.length === 1)
    gone.abort()
    await assert.rejects(first)
    const second = create('/slow.mp3', {}, key)
    waiting[0]!()
    const { body } = await second
    assert.equal(
      (await create('/slow.mp3', { content_type: 'audio' }, key)).body['job_id'],
      body['job_id'],
    )
    assert.deepEqual(web.asked, ['GET /slow.mp3 bytes=0-65535'])
    const other = await create('/a/talk.mp3', {}, key)
    assert.deepEqual([other.status, other.body['code']], [409, 'conflict'])
  })

  test('is dropped when its client goes before it is there', async (t) => {
    const { web, running, stored } = await scene(t)
    let closed = false
    web.files.set('/slow.mp3', (_, response) => {
      response.writeHead(200, { 'content-length': 10 ** 6 }).write(TALK)
      response.once('close', () => (closed = true))
    })
    const gone = new AbortController()
    const json = { source_url: `${web.url}/slow.mp3` }
    const asked = running.ask('POST', '/remote-jobs/', { json, signal: gone.signal })
    await until(() => stored().length === 1)
    gone.abort()
    await assert.rejects(asked)
    await until(() => closed && stored().length === 0)
    assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
  })

  test('without an end is dropped with a key, too: after a while, and when the coordinator stops', async (t) => {
    const { create, web, running, stored } = await scene(t)
    web.files.set('/radio', (_, response) => void response.writeHead(200).write(TALK))
    const asked = create('/radio', {}, { 'idempotency-key': 'k1' })
    await until(() => stored().length === 1)
    const origins = originsFor({ lastingMs: 20 })
    t.after(() => origins.close())
    const sources = await Sources.open(tempFolder(), await MediaRoots.resolve([]), origins)
    const late = origins.lasting(async (signal) => {
      const found = await origins.find(`${web.url}/radio`, signal)
      return await sources.receive(await found.read(), 'radio', signal)
    })
    await assert.rejects(late, { code: 'bad_gateway', message: /took too long/ })
    await running.stop()
    assert.equal((await asked).status, 503)
    assert.deepEqual(stored(), [])
  })

  test('leaves no file where it cannot be kept', async () => {
    const dir = tempFolder()
    const sources = await Sources.open(dir, await MediaRoots.resolve([]), originsFor())
    const { signal } = new AbortController()
    const received = await sources.receive(Readable.from([TALK]), 'talk.mp3', signal)
    writeFileSync(path.join(dir, 'sources', 'job'), 'in the way')
    await assert.rejects(sources.adopt('job', received), { code: 'EEXIST' })
    assert.deepEqual(readdirSync(sources.incoming), [])
  })
})

const PAGE = Buffer.from('\n<!DOCTYPE html><title>Sign in</title>')
const page: Handler = (_, r) =>
  r.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE)

describe('an address is refused', () => {
  const refusals: [string, Handler | Buffer | null, number, string, RegExp, object?][] = [
    ['/none.mp3', null, 422, 'invalid', /has no such file \(404 Not Found\)/],
    [
      '/private.mp3',
      (_, r) => r.writeHead(401).end(),
      422,
      'invalid',
      /refuses the file \(401 Unauthorized\)/,
    ],
    ['/page.mp3', page, 422, 'unsupported_media', /a web page: it may need a login/],
    ['/watch', page, 422, 'unsupported_media', /a web page/, { content_type: 'auto' }],
    [
      '/paper.mp3',
      Buffer.from('%PDF-1.7\n%abc'),
      422,
      'unsupported_media',
      /of type application\/pdf, not audio/,
      { content_type: 'audio' },
    ],
    ['/empty.mp3', Buffer.alloc(0), 422, 'invalid', /is empty/],
    [
      '/zip.mp3',
      (_, r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      422,
      'invalid',
      /compressed \(gzip\) only/,
    ],
    ['/busy.mp3', (_, r) => r.writeHead(500).end(), 502, 'bad_gateway', /answers 500/],
    ['/round', redirect('/round'), 422, 'invalid', /redirects more than 5 times/],
    [
      '/meta',
      redirect('http://169.254.169.254/latest'),
      422,
      'invalid',
      /169\.254\.169\.254 is not public/,
    ],
    [
      '/file',
      redirect('file:///etc/passwd'),
      422,
      'invalid',
      /redirects to no http or https address/,
    ],
    ['http://[::1]/x.mp3', null, 422, 'invalid', /::1 is not public/],
    ['ftp://example.com/x.mp3', null, 422, 'invalid', /no http or https address/],
    ['/large.mp3', Buffer.alloc(300_000, 1), 413, 'too_large', /larger than the 200000 bytes/],
    [
      '/endless.mp3',
      (_, r) => r.writeHead(200).end(Buffer.alloc(300_000, 1)),
      413,
      'too_large',
      /larger than/,
    ],
    [
      '/cut.mp3',
      (_, r) => r.writeHead(200, { 'content-length': 190_000 }).write(TALK, () => r.destroy()),
      502,
      'bad_gateway',
      /broke off/,
    ],
  ]
  test('with a sentence that says why, and nothing is left of it', async (t) => {
    const { create, web, running, stored } = await scene(t, {
      sourceAllow: ['public', '127.0.0.1'],
      maxUploadBytes: 200_000,
    })
    for (const [at, there, status, code, said, different] of refusals) {
      if (there !== null) web.files.set(at, there)
      const answer = await create(at, different)
      const { detail, code: given } = answer.body
      assert.deepEqual([answer.status, given], [status, code], `${at} ${answer.text}`)
      assert.match(JSON.stringify(detail), said)
    }
    assert.deepEqual(stored(), [])
    assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
    assert.equal((await create('/watch', { content_type: 'document' })).status, 200)
  })

  test('outside of what --source-allow names: public addresses alone, or none', async (t) => {
    const { create } = await scene(t, { sourceAllow: ['none'] })
    const { status, text } = await create('/a/talk.mp3')
    assert.equal(status, 422)
    assert.match(text, /127\.0\.0\.1 is not allowed: allow it with --source-allow/)
    const { create: byDefault } = await scene(t, { sourceAllow: ['public'] })
    assert.match((await byDefault('/a/talk.mp3')).text, /127\.0\.0\.1 is not public/)
  })

  test('whose server sends nothing for a while, before its answer or inside it', async (t) => {
    const web = await startWebServer(t)
    web.files.set('/mute.mp3', () => undefined)
    web.files.set('/stops.mp3', (_, response) => {
      response.writeHead(200, { 'content-length': 10 ** 6 }).write(TALK)
    })
    const [hasty, patient] = [20, 500].map((idleMs) => originsFor({ idleMs }))
    t.after(() => [hasty, patient].forEach((origins) => origins!.close()))
    const { signal } = new AbortController()
    const isIdle = (error: unknown): boolean =>
      error instanceof AppError &&
      error.code === 'bad_gateway' &&
      /stopped answering/.test(error.message)
    await assert.rejects(hasty!.find(`${web.url}/mute.mp3`, signal), isIdle)
    const found = await patient!.find(`${web.url}/stops.mp3`, signal)
    await assert.rejects((await found.read()).toArray(), isIdle)
  })

  test('by the address that is connected to, whatever its name was before', async (t) => {
    const web = await startWebServer(t, '127.0.0.2')
    web.files.set('/talk.mp3', (request, response) => {
      response.setHeader('connection', 'close')
      sendBytes(request, response, TALK)
    })
    const answers = ['127.0.0.2', '127.0.0.1']
    const guard = new AddressGuard(['127.0.0.2'], (_, __, callback) =>
      callback(null, [{ address: answers.shift()!, family: 4 }]),
    )
    const origins = originsFor({ guard })
    t.after(() => origins.close())
    const { signal } = new AbortController()
    const found = await origins.find(`http://changing.example:${web.port}/talk.mp3`, signal)
    assert.equal(found.sizeBytes, TALK.length)
    await assert.rejects(
      found.read(),
      (error) =>
        error instanceof AppError &&
        /changing.example is at 127.0.0.1, which is not public/.test(error.message),
    )
  })
})

describe('an address in POST /process', () => {
  const process = async ({ running }: Scene, request: object, type?: string): Promise<Answer> => {
    const fields = { request_data: JSON.stringify(request) }
    const form = new FormData()
    form.set('request_data', fields.request_data)
    const body = type === undefined ? form : new URLSearchParams(fields)
    const answer = await fetch(`${running.url}/api/v1/process`, { method: 'POST', body })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      body: JSON.parse(text) as Answer['body'],
    }
  }

  test('becomes a job for workers, also without a multipart form', async (t) => {
    const it = await scene(t)
    const request = {
      source_url: `${it.web.url}/a/talk.mp3`,
      source_type: 'url',
      metadata: { remote: true },
    }
    for (const type of [undefined, 'urlencoded']) {
      const { status, text } = await process(it, request, type)
      assert.equal(status, 200, text)
      assert.equal((await it.claimed()).source.filename, 'talk.mp3')
    }
    it.web.files.set('/paper.pdf', Buffer.from('%PDF-1.7\n%abc'))
    const paper = await process(it, { ...request, source_url: `${it.web.url}/paper.pdf` })
    assert.deepEqual([paper.status, paper.body['code']], [422, 'unsupported_media'])
  })

  test('is fetched where the coordinator takes over for workers that are away', async (t) => {
    const it = await scene(t, {
      ingestion: {
        ...NO_INGESTION,
        fallbackAfterMs: 0,
        localProcessors: { audio: ['wc', '-c', '{input}'] },
      },
    })
    const { body } = await it.create('/a/talk.mp3')
    const id = String(body['job_id'])
    const status = async (): Promise<unknown> =>
      (await it.running.ask('GET', `/remote-jobs/${id}/status`)).body['status']
    await until(async () => (await status()) === 'completed')
    const { text } = await it.running.ask('GET', `/remote-jobs/${id}/result`)
    assert.match(text, new RegExp(`"${TALK.length} `))
    assert.deepEqual(it.stored(), [id])
    assert.equal(
      ((await it.running.ask('DELETE', `/remote-jobs/${id}`)).body['freed_bytes'] as number) >=
        TALK.length,
      true,
    )
    assert.deepEqual(it.stored(), [])
  })

  test('is stored where the coordinator itself processes it', async (t) => {
    const it = await scene(t, { ingestion: { ...NO_INGESTION, fallbackAfterMs: 0 } })
    it.web.files.set('/notes.txt', Buffer.from('Three words here.'))
    const request = { source_url: `${it.web.url}/notes.txt` }
    const { text, body } = await process(it, request)
    const id = String(body['job_id'])
    await until(
      async () =>
        (await it.running.ask('GET', `/remote-jobs/${id}/status`)).body['status'] === 'completed',
    )
    assert.match(
      (await it.running.ask('GET', `/remote-jobs/${id}/result`)).text,
      /Three words here/,
      text,
    )
    assert.deepEqual(it.stored(), [id])
  })
})
