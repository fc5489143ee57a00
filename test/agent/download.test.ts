import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { download, type DownloadOptions } from '../../agent/client/download.ts'
import { AppError } from '../../shared/errors.ts'
import { clientOf, json, MARK, startServer, type Seen } from './fake-server.ts'

const bytes = randomBytes(300_000)
const sha256 = createHash('sha256').update(bytes).digest('hex')
const etag = '"v1"'

type Serve = (seen: Seen, response: ServerResponse, number: number) => void

async function scene(
  t: TestContext,
  serve: Serve,
): Promise<{ options: DownloadOptions; seen: Seen[]; target: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'morag-download-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const server = await startServer(t, (seen, response) => serve(seen, response, server.seen.length))
  const target = path.join(folder, 'input.bin')
  const options: DownloadOptions = {
    connection: clientOf(t, server.url).connection,
    source: {
      url: '/api/v1/remote-jobs/j/download?token=s',
      filename: 'talk.mp3',
      sizeBytes: bytes.length,
      sha256,
      etag,
    },
    leaseToken: 'lease',
    target,
    signal: new AbortController().signal,
  }
  return { options, seen: server.seen, target }
}

/** Answers as the coordinator does: from where the request wants it. */
function answer(seen: Seen, response: ServerResponse): { rest: Buffer } {
  const from = Number(/^bytes=(\d+)-$/.exec(seen.headers.range ?? '')?.[1] ?? 0)
  const rest = bytes.subarray(from)
  const length = { 'content-length': String(rest.length), etag }
  if (from === 0) response.writeHead(200, length)
  else {
    const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
    response.writeHead(206, { ...length, 'content-range': range })
  }
  return { rest }
}

/** The beginning of an answer, and no more of it. */
function cutAfter(count: number, seen: Seen, response: ServerResponse): void {
  const { rest } = answer(seen, response)
  response.write(rest.subarray(0, count), () => response.destroy())
}

const whole: Serve = (seen, response) => void response.end(answer(seen, response).rest)

describe('a download', () => {
  it('writes the file for its owner only, and says its digest', async (t) => {
    const { options, seen, target } = await scene(t, whole)
    const progress: number[] = []
    const done = await download({ ...options, onProgress: (received) => progress.push(received) })
    assert.deepEqual(done, { sizeBytes: bytes.length, sha256 })
    assert.deepEqual(await readFile(target), bytes)
    assert.equal((await stat(target)).mode & 0o777, 0o600)
    assert.equal(progress.at(-1), bytes.length)
    assert.equal(seen[0]?.headers['morag-lease'], 'lease')
    assert.equal(seen[0].headers.range, undefined)
  })

  it('says the digest also where none was promised', async (t) => {
    const { options } = await scene(t, whole)
    const source = { ...options.source, sha256: null }
    assert.equal((await download({ ...options, source })).sha256, sha256)
  })

  it('of an empty file is an empty file', async (t) => {
    const { options, target } = await scene(t, (_, response) => response.writeHead(200).end())
    await download({ ...options, source: { ...options.source, sizeBytes: 0, sha256: null } })
    assert.equal((await stat(target)).size, 0)
  })

  it('goes on by Range and If-Range where the connection was cut', async (t) => {
    const { options, seen, target } = await scene(t, (one, response, number) => {
      const { rest } = answer(one, response)
      if (number > 5) response.end(rest)
      else response.write(rest.subarray(0, 50_000), () => response.destroy())
    })
    // More cuts than retries are allowed: each brought something.
    assert.equal((await download({ ...options, retries: 1 })).sha256, sha256)
    assert.deepEqual(await readFile(target), bytes)
    assert.equal(seen.length, 6)
    assert.match(seen[1]?.headers.range ?? '', /^bytes=[1-9]\d*-$/)
    assert.equal(seen[1]?.headers['if-range'], etag)
  })

  for (const [title, headers] of [
    ['with the same ETag', { etag, 'content-length': String(bytes.length) }],
    ['with the same ETag, weak by now, and no length', { etag: `W/${etag}` }],
    ['with neither ETag nor length but the mark', { ...MARK }],
    ['without an ETag', { 'content-length': String(bytes.length) }],
  ] as const) {
    it(`begins anew where a proxy drops the Range, ${title}`, async (t) => {
      const { options, seen, target } = await scene(t, (one, response, number) => {
        if (number > 1) response.writeHead(200, headers).end(bytes)
        else cutAfter(50_000, one, response)
      })
      assert.deepEqual(await download(options), { sizeBytes: bytes.length, sha256 })
      assert.deepEqual(await readFile(target), bytes)
      assert.deepEqual([seen.length, Boolean(seen[1]!.headers.range)], [2, true])
    })
  }

  it('begins anew, and asks for all, where another range comes', async (t) => {
    const { options, seen, target } = await scene(t, (one, response, number) => {
      if (number === 1) cutAfter(50_000, one, response)
      else if (number > 2) whole(one, response, number)
      else {
        const range = `bytes 0-9/${bytes.length}`
        response.writeHead(206, { etag, 'content-range': range }).end(bytes.subarray(0, 10))
      }
    })
    await download(options)
    assert.deepEqual(await readFile(target), bytes)
    assert.deepEqual(
      seen.map(({ headers }) => headers.range),
      [undefined, 'bytes=50000-', undefined],
    )
  })

  it('goes on where an answer without a length ended early', async (t) => {
    const { options, seen } = await scene(t, (one, response, number) => {
      if (number > 1) return whole(one, response, number)
      return response.writeHead(200, { etag }).end(bytes.subarray(0, 1_000))
    })
    assert.equal((await download(options)).sha256, sha256)
    assert.equal(seen[1]?.headers.range, 'bytes=1000-')
  })

  it('of an answer that is always too short is given up as download_failed', async (t) => {
    const { options, seen } = await scene(t, (_, response) =>
      response.writeHead(200, { etag }).end(bytes.subarray(0, 1_000)),
    )
    const given = download({ ...options, retries: 2 })
    await assert.rejects(given, { code: 'download_failed', message: /ended too early/ })
    assert.equal(seen.length, 3)
  })

  it('takes the page of somebody else for no source, though it has an ETag', async (t) => {
    const { options, seen } = await scene(t, (one, response, number) => {
      if (one.url.endsWith('/health')) json(response, 200, { status: 'ok', version: '1' })
      else if (number === 2) response.writeHead(200, { etag: '"page"' }).end('<html>')
      else response.writeHead(200, { ...MARK, etag }).end(bytes)
    })
    await new Client(options.connection).health()
    assert.equal((await download(options)).sha256, sha256)
    assert.equal(seen.length, 3)
  })

  it('goes on when the coordinator falls silent', async (t) => {
    const { options, seen } = await scene(t, (one, response, number) => {
      const { rest } = answer(one, response)
      if (number > 1) response.end(rest)
      else response.write(rest.subarray(0, 1_000))
    })
    assert.equal((await download({ ...options, idleMs: 100 })).sha256, sha256)
    assert.equal(seen.length, 2)
  })

  it('is given up as download_failed after tries that brought nothing', async (t) => {
    const { options, seen } = await scene(t, (one, response, number) => {
      if (number > 1) return response.destroy()
      return response.write(answer(one, response).rest.subarray(0, 1_000), () => response.destroy())
    })
    const given = download({ ...options, retries: 2 })
    await assert.rejects(given, {
      code: 'download_failed',
      message: /talk\.mp3 stopped at 1000 of/,
    })
    assert.equal(seen.length, 3)
  })

  it('tries again when the coordinator is busy', async (t) => {
    const { options } = await scene(t, (one, response, number) =>
      number === 1 ? json(response, 503, { detail: 'busy' }) : whole(one, response, number),
    )
    assert.equal((await download(options)).sha256, sha256)
  })

  for (const [status, code] of [
    [404, 'source_missing'],
    [409, 'source_changed'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [409, 'lease_lost'],
  ] as const) {
    it(`ends at once with ${code} when the coordinator says so`, async (t) => {
      const { options, seen } = await scene(t, (_, response) =>
        json(response, status, { detail: 'no', code }),
      )
      await assert.rejects(download(options), { code })
      assert.equal(seen.length, 1)
    })
  }

  for (const [title, headers, body] of [
    ['has another etag', { etag: '"v2"' }, bytes],
    ['has another length', { etag }, bytes.subarray(1)],
  ] as const) {
    it(`of a file that ${title} is source_changed`, async (t) => {
      const { options } = await scene(t, (_, response) =>
        response.writeHead(200, { ...headers, 'content-length': String(body.length) }).end(body),
      )
      await assert.rejects(download(options), { code: 'source_changed' })
    })
  }

  it('of a file that changed while it was cut is source_changed', async (t) => {
    const { options } = await scene(t, (one, response, number) => {
      if (number > 1) response.writeHead(200, { etag: '"v2"' }).end(bytes)
      else response.write(answer(one, response).rest.subarray(0, 9), () => response.destroy())
    })
    await assert.rejects(download(options), { code: 'source_changed' })
  })

  it('with another digest is download_failed', async (t) => {
    const { options } = await scene(t, whole)
    const source = { ...options.source, sha256: 'ab'.repeat(32) }
    await assert.rejects(download({ ...options, source }), { code: 'download_failed' })
  })

  it('does not begin without room for it', async (t) => {
    const { options, seen } = await scene(t, whole)
    const full = download({ ...options, freeBytes: async () => 64 * 1024 * 1024 })
    await assert.rejects(full, { code: 'no_space', message: /only 64 MiB are free/ })
    assert.equal(seen.length, 0)
  })

  it('ends with the reason of its signal', async (t) => {
    const controller = new AbortController()
    const { options } = await scene(t, (one, response) => {
      response.write(answer(one, response).rest.subarray(0, 9))
    })
    const reason = new AppError('cancelled', 'The job was cancelled.')
    const stopped = download({
      ...options,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await assert.rejects(stopped, (error) => error === reason)
  })
})
