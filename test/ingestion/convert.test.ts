import assert from 'node:assert/strict'
import { createReadStream, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { MoragClient } from '../../coordinator/ingestion/morag-client.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startServer, type Answered } from './form-server.ts'

const folder = tempFolder()
const never = new AbortController().signal

async function setUp(t: TestContext) {
  const server = await startServer(t)
  const client = new MoragClient({ url: server.url, apiKey: null })
  t.after(async () => await client.close())
  return { server, client }
}

function source(bytes: AsyncIterable<Buffer> | Buffer, sizeBytes: number) {
  return {
    bytes: Buffer.isBuffer(bytes) ? chunks(bytes) : bytes,
    sizeBytes,
    filename: 'minutes of "May".pdf',
    contentType: 'document',
    documentId: null,
    metadata: { remote: true, author: 'Ada' },
    processingOptions: { language: 'de' },
  }
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
      [{ status: 200, body: 'x'.repeat(64 * 1024 ** 2 + 1) }, 'too_large', /more than 64 MiB/],
    ]
    for (const [answer, code, message] of failures) {
      server.answer = answer
      const file = source(Buffer.from('the bytes'), 9)
      await assert.rejects(client.convert(file, never), { code, message })
    }
  })
})
