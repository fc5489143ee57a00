import assert from 'node:assert/strict'
import { createReadStream, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { MoragClient } from '../../coordinator/ingestion/morag-client.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startServer, type Answered } from './form-server.ts'
import { VERSIONS } from './strict-api.ts'
import { startStrict } from './strict-morag.ts'

const folder = tempFolder()
const never = new AbortController().signal

async function setUp(t: TestContext) {
  const server = await startServer(t)
  const client = new MoragClient({ url: server.url, apiKey: null, api: 'process' })
  t.after(async () => await client.close())
  return { server, client }
}

function source(bytes: AsyncIterable<Buffer> | Buffer, sizeBytes: number) {
  return {
    read: () => (Buffer.isBuffer(bytes) ? chunks(bytes) : bytes),
    sizeBytes,
    filename: 'minutes of "May".pdf',
    contentType: 'document',
    documentId: null as string | null,
    metadata: { remote: true, author: 'Ada' },
    processingOptions: { language: 'de' },
  }
}

const BYTES = Buffer.from('the bytes')

/** A file of another name. */
function named(filename: string, contentType = 'audio') {
  return { ...source(BYTES, BYTES.length), filename, contentType }
}

async function* chunks(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

describe('a conversion by the MoRAG server', () => {
  test('sends the file as it is and brings its text back', async (t) => {
    const { server, client } = await setUp(t)
    server.answer = { status: 200, body: { content: '# May', metadata: { pages: 3 }, more: 1 } }
    const converted = await client.convert(source(Buffer.from('the bytes'), 9), never)
    assert.deepEqual(converted, { content: '# May', metadata: { pages: 3 } })
    const [got] = server.got
    assert.deepEqual(got!.data, {
      mode: 'convert',
      source_type: 'file',
      content_type: 'document',
      metadata: { remote: false, author: 'Ada' },
      processing_options: { language: 'de' },
    })
    const { filename, sizeBytes, begin } = got!.file
    assert.deepEqual([filename, sizeBytes, begin], ['minutes of %22May%22.pdf', 9, 'the bytes'])
  })

  test('holds no file in memory, however large', async (t) => {
    const { server, client } = await setUp(t)
    server.answer = { status: 200, body: { content: '' } }
    const file = path.join(folder, 'large')
    const sizeBytes = 160 * 1024 * 1024
    writeFileSync(file, '')
    truncateSync(file, sizeBytes)
    let most = 0
    const before = process.memoryUsage().arrayBuffers
    async function* watched(): AsyncGenerator<Buffer> {
      for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
        most = Math.max(most, process.memoryUsage().arrayBuffers)
        yield chunk as Buffer
      }
    }
    await client.convert(source(watched(), sizeBytes), never)
    assert.equal(server.got[0]!.file.sizeBytes, sizeBytes)
    assert.ok(most - before < 80 * 1024 * 1024, `${most - before} bytes`)
  })

  test('says what went wrong in our words', async (t) => {
    const { server, client } = await setUp(t)
    const failures: [Answered, string, RegExp][] = [
      [{ status: 415, body: { detail: 'no PDF' } }, 'unsupported_media', /415: no PDF\.$/],
      [{ status: 413, body: '' }, 'too_large', /answered 413\.$/],
      [{ status: 429, body: '' }, 'too_many_requests', /answered 429/],
      [{ status: 500, body: '' }, 'engine_failed', /answered 500/],
      [{ status: 503, body: '' }, 'unavailable', /answered 503/],
      [{ status: 200, body: { success: false, error_message: 'a\nb' } }, 'engine_failed', /: a b$/],
      [{ status: 200, body: 'no JSON' }, 'engine_failed', /gave no text/],
      [{ status: 200, body: 'x'.repeat(64 * 1024 ** 2 + 1) }, 'too_large', /over 64 MiB/],
      [
        { status: 500, body: { detail: 'File size exceeds maximum allowed size of 1 bytes' } },
        'unsupported_media',
        /exceeds/,
      ],
    ]
    for (const [answer, code, message] of failures) {
      server.answer = answer
      const file = source(Buffer.from('the bytes'), 9)
      await assert.rejects(client.convert(file, never), { code, message })
    }
  })
})

for (const version of VERSIONS) {
  describe(`a conversion by a server of the version '${version}'`, { concurrency: true }, () => {
    const setUpStrict = async (t: TestContext) => {
      const server = await startStrict(t, version)
      const client = new MoragClient({ url: server.url, apiKey: null })
      t.after(async () => await client.close())
      return { server, client }
    }

    const files = [
      ['minutes.pdf', 'document', 'application/pdf', 'convert'],
      ['talk.mp3', 'audio', 'audio/mpeg', 'process'],
      // Python guesses another media type for it, which the servers refuse.
      ['talk.wav', 'audio', 'audio/wav', 'process'],
      ['film.mkv', 'video', 'video/x-matroska', 'process'],
    ] as const
    for (const [filename, contentType, mediaType, mode] of files) {
      test(`takes ${filename}`, async (t) => {
        const { server, client } = await setUpStrict(t)
        const file = { ...named(filename, contentType), documentId: 'doc-1' }
        const { content } = await client.convert(file, never)
        assert.equal(content, `# ${filename}\n\nthe bytes`)
        const [converted, ...more] = server.conversions
        assert.deepEqual(more, [])
        assert.deepEqual(
          [converted!.filename, converted!.mediaType, converted!.text],
          [filename, mediaType, 'the bytes'],
        )
        const asked = { language: 'de' }
        assert.deepEqual(
          converted!.options,
          {
            stages: { ...asked, 'markdown-conversion': asked, return_content: true },
            process: {
              mode,
              source_type: 'file',
              content_type: contentType,
              document_id: 'doc-1',
              replace_existing: true,
              metadata: { remote: false, author: 'Ada' },
              processing_options: asked,
            },
            ingest: { ...asked, content_type: contentType, metadata: file.metadata },
          }[version === 'ingest-form' ? 'ingest' : version],
        )
        assert.equal(server.requests.filter((line) => line.startsWith('POST')).length, 1)
      })
    }

    test('is found out by trying where the server describes nothing', async (t) => {
      const { server, client } = await setUpStrict(t)
      server.isDescribed = false
      assert.match((await client.convert(named('talk.mp3'), never)).content, /the bytes$/)
    })

    test('fails for good where the server never takes such a file', async (t) => {
      const { client } = await setUpStrict(t)
      await assert.rejects(client.convert(named('talk.opus'), never), {
        code: 'unsupported_media',
        message: /'\.opus' not allowed/,
      })
    })

    test('may be repeated where the server failed', async (t) => {
      const { server, client } = await setUpStrict(t)
      server.failing = 'CUDA out of memory'
      const failure = { code: 'engine_failed', message: /failed: CUDA out of memory/ }
      await assert.rejects(client.convert(named('talk.mp3'), never), failure)
      server.failing = null
      assert.match((await client.convert(named('talk.mp3'), never)).content, /the bytes$/)
    })
  })
}

test('a server that is upgraded meanwhile gets the whole file by its new API', async (t) => {
  const server = await startStrict(t, 'process')
  const client = new MoragClient({ url: server.url, apiKey: null })
  t.after(async () => await client.close())
  await client.convert(named('talk.mp3'), never)
  server.version = 'stages'
  await client.convert(named('film.mkv'), never)
  assert.ok(server.requests.includes('POST /api/v1/process 410'))
  assert.deepEqual(
    server.conversions.map(({ version, text }) => [version, text]),
    [
      ['process', 'the bytes'],
      ['stages', 'the bytes'],
    ],
  )
})

test('the version of a server changes with its description, and is read again after a while', async (t) => {
  const server = await startStrict(t, 'process')
  const client = new MoragClient({ url: server.url, apiKey: null })
  const impatient = new MoragClient({ url: server.url, apiKey: null, freshMs: 0 })
  t.after(async () => await Promise.all([client.close(), impatient.close()]))
  assert.equal(client.version, null)
  await client.describe(never)
  const before = client.version
  assert.ok(before !== null)
  server.version = 'stages'
  assert.equal(client.version, before)
  await client.describe(never)
  assert.notEqual(client.version, before)
  await impatient.describe(never)
  assert.equal(impatient.version, null)
})

test('a server without a route to convert files is no processor until it is upgraded', async (t) => {
  const server = await startStrict(t, 'ingest')
  const client = new MoragClient({ url: server.url, apiKey: null })
  t.after(async () => await client.close())
  server.lacks.push('/process/file')
  await assert.rejects(client.convert(named('talk.mp3'), never), {
    code: 'unsupported_media',
    message: /has no route to convert files/,
  })
})
