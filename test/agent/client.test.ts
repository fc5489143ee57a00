import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, it } from 'node:test'
import { coordinatorUrl } from '../../shared/base-url.ts'
import { Refusal, Unreachable } from '../../shared/refusal.ts'
import { retryAfterSeconds } from '../../shared/backoff.ts'
import { AppError } from '../../shared/errors.ts'
import { clientOf, json, startServer } from './fake-server.ts'

const claim = {
  workerId: 'w',
  contentTypes: ['audio'],
  maxJobs: 1,
  waitSeconds: 0,
  claimId: 'c-1',
}
const nothing = { jobs: [], retry_after_seconds: 0 }

describe('a request', () => {
  it('goes under /api/v1 with the key and snake_case keys', async (t) => {
    const server = await startServer(t, (_, response) => json(response, 200, nothing))
    const client = clientOf(t, `${server.url}/api/v1/`, { apiKey: 'sesame' })
    assert.deepEqual(await client.claim(claim), { jobs: [], retryAfterSeconds: 0 })
    const [seen] = server.seen
    assert.equal(seen?.url, '/api/v1/remote-jobs/claim')
    assert.equal(seen.headers.authorization, 'Bearer sesame')
    assert.deepEqual(JSON.parse(seen.body), {
      worker_id: 'w',
      content_types: ['audio'],
      max_jobs: 1,
      wait_seconds: 0,
      claim_id: 'c-1',
    })
  })

  for (const status of [429, 500, 502, 503, 507]) {
    it(`is made again after ${status}, with the same body`, async (t) => {
      const server = await startServer(t, (_, response) =>
        server.seen.length < 3
          ? json(response, status, { detail: 'later' })
          : json(response, 200, nothing),
      )
      await clientOf(t, server.url).claim(claim)
      assert.equal(new Set(server.seen.map(({ body }) => body)).size, 1)
      assert.equal(server.seen.length, 3)
    })
  }

  for (const status of [400, 401, 403, 404, 408, 409, 413, 422]) {
    it(`is not made again after ${status}`, async (t) => {
      const server = await startServer(t, (_, response) => json(response, status, { detail: 'no' }))
      const refused = clientOf(t, server.url).claim(claim)
      await assert.rejects(refused, (error) => error instanceof Refusal && error.status === status)
      assert.equal(server.seen.length, 1)
    })
  }

  it('is made again when the connection is cut', async (t) => {
    const server = await startServer(t, (_, response) =>
      server.seen.length < 2 ? response.destroy() : json(response, 200, nothing),
    )
    await clientOf(t, server.url).claim(claim)
    assert.equal(server.seen.length, 2)
  })

  it('waits as long as Retry-After says', async (t) => {
    const server = await startServer(t, (_, response) =>
      server.seen.length < 2
        ? json(response, 503, { detail: 'later' }, { 'retry-after': '0.3' })
        : json(response, 200, nothing),
    )
    const began = performance.now()
    await clientOf(t, server.url).claim(claim)
    assert.ok(performance.now() - began >= 295)
  })

  it('ends with the reason of its signal, also while it waits to try again', async (t) => {
    const reason = new AppError('cancelled', 'enough')
    const controller = new AbortController()
    const server = await startServer(t, (_, response) =>
      json(response, 503, { detail: 'later' }, { 'retry-after': '60' }),
    )
    const waiting = clientOf(t, server.url).claim(claim, {
      signal: controller.signal,
      onRetry: () => controller.abort(reason),
    })
    await assert.rejects(waiting, (error) => error === reason)
  })

  it('gives up after its tries with the last error', async (t) => {
    const server = await startServer(t, (_, response) => json(response, 503, { detail: 'busy' }))
    const refused = clientOf(t, server.url).claim(claim, { retries: 2 })
    await assert.rejects(refused, { message: 'busy', code: 'unavailable' })
    assert.equal(server.seen.length, 3)
  })
})

describe('an error', () => {
  it('carries the code and the words of the coordinator', async (t) => {
    const server = await startServer(t, (_, response) =>
      json(response, 409, { detail: 'Attempt 1 is over.', code: 'lease_lost' }),
    )
    await assert.rejects(clientOf(t, server.url).release('j', 'token'), {
      code: 'lease_lost',
      message: 'Attempt 1 is over.',
    })
  })

  it('names every field that did not fit', async (t) => {
    const detail = [{ loc: ['body', 'worker_id'], msg: 'Field required', type: 'missing' }]
    const server = await startServer(t, (_, response) => json(response, 422, { detail }))
    await assert.rejects(clientOf(t, server.url).claim(claim), {
      code: 'invalid',
      message: 'body.worker_id: Field required',
    })
  })

  it('says where to put the key when there is none', async (t) => {
    const server = await startServer(t, (_, response) => json(response, 401, { detail: 'No key.' }))
    await assert.rejects(clientOf(t, server.url).claim(claim), {
      code: 'unauthorized',
      message: /No key\. .*--api-key-file/,
    })
  })

  it('of a refused connection names the URL and the fix', async (t) => {
    const server = await startServer(t, (_, response) => json(response, 200, nothing))
    await server.close()
    const refused = clientOf(t, server.url, { retries: 0 }).health()
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof Unreachable)
      assert.equal(error.code, 'unavailable')
      assert.ok(error.message.includes(server.url), error.message)
      assert.match(error.message, /refused.*morag-coordinator serve.*--url/)
      return true
    })
  })

  it('of an answer that does not fit says so, and is not tried again', async (t) => {
    const server = await startServer(t, (_, response) => json(response, 200, { jobs: 7 }))
    await assert.rejects(clientOf(t, server.url).claim(claim), { message: /update the older/ })
    assert.equal(server.seen.length, 1)
  })

  it('of a server that answers without an end is given up, a refusal too', async (t) => {
    const piece = Buffer.alloc(1024 * 1024, 'x')
    for (const status of [200, 404]) {
      let sent = 0
      const server = await startServer(t, (_, response) => {
        response.writeHead(status)
        const pour = (): void => {
          while (!response.destroyed && response.write(piece)) sent += 1
          sent += 1
          response.once('drain', pour)
        }
        pour()
      })
      const message = status === 200 ? /is a MoRAG coordinator there\?/ : /something else answered/
      await assert.rejects(clientOf(t, server.url).claim(claim), { message })
      assert.ok(sent / server.seen.length < 192, `${sent} MiB`)
      await server.close()
    }
  })
})

describe('create', () => {
  it('streams the file after its fields, with its length and key', async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'morag-client-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const file = path.join(folder, 'talk.mp3')
    await writeFile(file, 'sound')
    const server = await startServer(t, (_, response) =>
      server.seen.length < 2
        ? json(response, 503, { detail: 'later' })
        : json(response, 200, {
            job_id: 'j',
            status: 'pending',
            created_at: '2026-01-01T00:00:00Z',
          }),
    )
    const sent: number[] = []
    const created = await clientOf(t, server.url).create({
      file,
      filename: 'a "talk".mp3',
      contentType: 'audio',
      idempotencyKey: 'k',
      taskOptions: { language: 'en' },
      onProgress: (bytes) => sent.push(bytes),
    })
    assert.deepEqual(created, {
      jobId: 'j',
      status: 'pending',
      createdAt: Date.parse('2026-01-01T00:00:00Z'),
    })
    assert.deepEqual(sent, [5, 5])
    const seen = server.seen[1]
    assert.equal(seen?.headers['idempotency-key'], 'k')
    assert.equal(Number(seen.headers['content-length']), seen.body.length)
    assert.match(
      seen.body,
      /name="content_type"\r\n\r\naudio\r\n[^]*name="task_options"\r\n\r\n{"language":"en"}\r\n[^]*filename="a %22talk%22.mp3"[^]*\r\n\r\nsound\r\n--morag-[^]*--\r\n$/,
    )
  })

  it('of a missing file is a usage error that names it', async (t) => {
    const upload = { filename: 'x', contentType: 'audio', idempotencyKey: 'k' }
    const refused = clientOf(t, 'http://127.0.0.1:1').create({ ...upload, file: '/nowhere/x' })
    await assert.rejects(refused, { code: 'usage', message: /'\/nowhere\/x' is not a file/ })
  })
})

describe('exchange', () => {
  for (const bad of ['//evil/x', 'http://evil/x', '/\\evil', 'x', '/a b', '/a\r\nx: y']) {
    it(`refuses ${JSON.stringify(bad)}, which would leave the coordinator`, async (t) => {
      await assert.rejects(clientOf(t, 'http://127.0.0.1:1').connection.exchange(bad), {
        code: 'bad_request',
      })
    })
  }
})

describe('the URL of a coordinator', () => {
  for (const [given, kept] of [
    ['http://h:1', 'http://h:1'],
    ['http://h:1/', 'http://h:1'],
    ['https://h/morag/api/v1/', 'https://h/morag'],
  ] as const) {
    it(`of ${given} is ${kept}`, () => assert.equal(coordinatorUrl(given), kept))
  }
  for (const bad of ['h:1', 'ftp://h', '', 'http://user:secret@h']) {
    it(`refuses '${bad}'`, () => assert.throws(() => coordinatorUrl(bad), { code: 'usage' }))
  }
})

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  it('may be seconds', () => assert.equal(retryAfterSeconds('7', now), 7))
  it('may be a date', () =>
    assert.equal(retryAfterSeconds('Thu, 01 Jan 2026 00:00:09 GMT', now), 9))
  it('in the past is now', () =>
    assert.equal(retryAfterSeconds('Wed, 31 Dec 2025 00:00:00 GMT', now), 0))
  it('is capped', () => assert.equal(retryAfterSeconds('99999', now), 300))
  it('that is nonsense is none', () => assert.equal(retryAfterSeconds('soon', now), undefined))
})
