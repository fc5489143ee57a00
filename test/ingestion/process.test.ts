import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { processAnswer, taskAnswer } from '../../shared/wire-ingestion.ts'
import { claim, NO_INGESTION, startRunning, until, type Running } from '../coordinator/running.ts'
import { startReceiver } from './receiver.ts'

const BOUNDARY = 'one-of-ours'
const FORM = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
const CLIP = Buffer.concat([Buffer.from('RIFF....WAVEfmt '), Buffer.alloc(4_000)])

function field(name: string, value: string): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
  return Buffer.from(`${head}${value}\r\n`)
}

function file(disposition: string, content: Uint8Array): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; ${disposition}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n')])
}

function form(...parts: Buffer[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]))
}

/** The original's own example, with an address for the webhook that is here. */
function example(webhook: string, different: object = {}): string {
  return JSON.stringify({
    mode: 'ingest',
    source_type: 'file',
    content_type: 'audio',
    webhook_config: { url: webhook },
    metadata: { remote: true, course: 'history' },
    ...different,
  })
}

interface Came {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** Stands in for the MoRAG server: what came to it, and what it answers. */
async function moragServer(t: TestContext): Promise<{ url: string; came: Came[]; status: number }> {
  const came: Came[] = []
  const state = { url: '', came, status: 200 }
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      came.push({ method: request.method!, url: request.url!, headers: request.headers, body })
      response.writeHead(state.status, { 'x-from': 'morag', 'content-type': 'application/json' })
      response.end(JSON.stringify({ success: true, task_id: 'theirs' }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return state
}

const allow = { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] }

async function finishNext(running: Running): Promise<Record<string, unknown>> {
  const [job] = await claim(running)
  const { body } = await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, {
    json: {
      success: true,
      content: '# Audio Transcription: talk.mp3\n\n[00:00] Hello.',
      metadata: { duration: 3 },
      lease_token: job!.lease_token,
    },
  })
  return body
}

function incoming(running: Running): string[] {
  return readdirSync(path.join(running.dataDir, 'sources', '.incoming'))
}

describe('a file with remote: true', () => {
  for (const [order, parts] of [
    ['after request_data', (data: Buffer, clip: Buffer) => [data, clip]],
    ['before request_data', (data: Buffer, clip: Buffer) => [clip, data]],
  ] as const) {
    test(`that comes ${order} becomes a job, is transcribed, and its webhook is called`, async (t) => {
      const receiver = await startReceiver(t)
      const running = await startRunning(t, { ingestion: allow })
      // Past what is kept in memory.
      const large = Buffer.concat([CLIP, Buffer.alloc(3 * 1024 * 1024, 7)])
      const data = field('request_data', example(receiver.url, { document_id: 'doc-7' }))
      const clip = file('filename="talk.mp3"\r\nContent-Type: audio/mpeg', large)
      const sent = await running.ask('POST', '/process', {
        raw: form(...parts(data, clip)),
        headers: FORM,
      })
      assert.equal(sent.status, 200, sent.text)
      const { body } = sent
      processAnswer.parse(body)
      assert.equal(body['success'], true)
      assert.equal(body['task_id'], body['job_id'])
      assert.equal(body['document_id'], 'doc-7')
      assert.ok(Number.isInteger(body['estimated_time_seconds']))
      assert.equal(body['estimate_basis'], 'prior')
      assert.equal(body['status_url'], `/api/v1/status/${String(body['task_id'])}`)
      assert.deepEqual(incoming(running), [])
      const task = `/status/${String(body['task_id'])}`
      assert.equal((await running.ask('GET', task)).body['status'], 'PENDING')
      const detail = (await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)).body
      const source = detail['source'] as Record<string, unknown>
      assert.equal(source['sha256'], createHash('sha256').update(large).digest('hex'))
      assert.equal(detail['webhook'], new URL(receiver.url).origin)
      assert.deepEqual(await finishNext(running), {
        status: 'completed',
        ingestion_continued: true,
      })
      const { body: told } = await receiver.delivery(0)
      assert.equal(told['status'], 'SUCCESS')
      assert.equal(told['task_id'], body['task_id'])
      await until(async () => {
        const { continuation } = (await running.ask('GET', task)).body as {
          continuation: { steps: { state: string }[] }
        }
        return continuation.steps[0]?.state === 'done'
      })
      const done = (await running.ask('GET', task)).body
      taskAnswer.parse(done)
      assert.equal(done['status'], 'SUCCESS')
      assert.match(String((done['result'] as { content: string }).content), /Hello/)
      assert.equal(receiver.deliveries.length, 1)
    })
  }

  test('is ingested into the MoRAG server as a document with what its client said', async (t) => {
    const morag = await moragServer(t)
    const ingestion = {
      ...allow,
      moragUrl: morag.url,
      moragApi: 'process' as const,
      moragApiKey: 'theirs',
    }
    const running = await startRunning(t, { ingestion })
    const data = example('https://example.com/x', {
      webhook_config: null,
      processing_options: { language: 'en' },
    })
    const raw = form(field('request_data', data), file('filename="talk.mp3"', CLIP))
    const sent = await running.ask('POST', '/process', { raw, headers: FORM })
    assert.equal(sent.status, 200, sent.text)
    assert.equal(morag.came.length, 0)
    await finishNext(running)
    await until(() => morag.came.length === 1)
    const { url, headers, body } = morag.came[0]!
    assert.equal(url, '/api/v1/process')
    assert.equal(headers['authorization'], 'Bearer theirs')
    assert.match(String(headers['idempotency-key']), /./)
    const text = body.toString()
    assert.match(text, /filename="talk\.md"/)
    assert.match(text, /\[00:00:00\] Hello\./)
    const request = JSON.parse(/\{"mode".*\}(?=\r\n)/.exec(text)![0]) as Record<string, unknown>
    assert.equal(request['mode'], 'ingest')
    assert.equal(request['document_id'], sent.body['job_id'])
    assert.deepEqual(request['processing_options'], { language: 'en' })
    const metadata = request['metadata'] as Record<string, unknown>
    assert.equal(metadata['course'], 'history')
    assert.equal(metadata['remote_processing'], true)
  })

  test('is the same job for the same Idempotency-Key', async (t) => {
    const running = await startRunning(t, { ingestion: allow })
    const data = field('request_data', example('https://example.com/hook'))
    const raw = form(data, file('filename="talk.mp3"', CLIP))
    const headers = { ...FORM, 'idempotency-key': 'once' }
    const one = await running.ask('POST', '/process', { raw, headers })
    const two = await running.ask('POST', '/process', { raw, headers })
    assert.equal(one.body['job_id'], two.body['job_id'])
  })

  // As curl 7.88 and requests 2.34 (urllib3 2) wrote them, byte for byte; and as older ones do (RFC 5987, RFC 2616).
  const names: [string, string, string][] = [
    ['filename="J\u00fcrgen \u2013 ein Gespr\u00e4ch.mp3"', 'Jürgen – ein Gespräch.mp3', 'curl'],
    ['filename="ein %22Wort%22.mp3"', 'ein "Wort".mp3', 'curl with quotes'],
    ['filename="ein \\"Wort\\".mp3"', 'ein "Wort".mp3', 'an older curl with quotes'],
    ['filename="a%0Ab%0D.mp3"', 'ab.mp3', 'curl with newlines'],
    ['filename="per%20cent.mp3"', 'per%20cent.mp3', 'curl with a percent sign'],
    ['filename="one;two=3.mp3"', 'one;two=3.mp3', 'curl with a semicolon'],
    ['filename="back\\slash.mp3"', 'slash.mp3', 'curl with a backslash'],
    ["filename*=utf-8''J%C3%BCrgen%20ein.mp3", 'Jürgen ein.mp3', 'an older requests'],
    ['filename="../../etc/passwd.mp3"', 'passwd.mp3', 'a path'],
    ['filename="C:\\\\talks\\\\one.mp3"', 'one.mp3', 'a Windows path'],
    ['filename="..%2F..%2Fa.mp3"', '..%2F..%2Fa.mp3', 'an escaped path'],
  ]
  for (const [disposition, expected, from] of names) {
    test(`keeps the letters of its name, as ${from} sends it`, async (t) => {
      const running = await startRunning(t, { ingestion: allow })
      const data = field('request_data', example('https://example.com/hook'))
      const raw = form(data, file(disposition, CLIP))
      const { body, status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
      assert.equal(status, 200, text)
      const detail = (await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)).body
      assert.equal((detail['source'] as { filename: string }).filename, expected)
    })
  }

  test('is a video by its bytes, whatever its name says', async (t) => {
    const running = await startRunning(t, { ingestion: allow })
    const mp4 = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypisom\0\0\0\0isomiso2')])
    for (const [name, type] of [
      ['talk.mp3', 'video'],
      ['talk.m4a', 'audio'],
      ['talk.mp4', 'video'],
    ]) {
      const data = field('request_data', example('https://example.com/', { content_type: null }))
      const raw = form(data, file(`filename="${name}"`, mp4))
      const { body } = await running.ask('POST', '/process', { raw, headers: FORM })
      const detail = (await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)).body
      assert.equal(detail['content_type'], type, name)
    }
  })

  test('may say so at the top, and as text', async (t) => {
    const running = await startRunning(t, { ingestion: allow })
    for (const different of [
      { metadata: {}, remote: true },
      { metadata: null, remote: 'true' },
      { metadata: { remote: 'true' } },
    ]) {
      const data = field('request_data', example('https://example.com/', different))
      const raw = form(data, file('filename="a.mp3"', CLIP))
      const { status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
      assert.equal(status, 200, text)
    }
  })

  test('takes its options along to the worker, but nothing that is secret', async (t) => {
    const running = await startRunning(t, { ingestion: allow })
    const data = field(
      'request_data',
      example('https://example.com/hook', {
        webhook_config: { url: 'https://example.com/hook', auth_token: 'hush-hush' },
        processing_options: { language: 'de', webhook_secret: 'hush-hush' },
        priority: 7,
      }),
    )
    const raw = form(data, file('filename="a.mp3"', CLIP))
    const sent = await running.ask('POST', '/process', { raw, headers: FORM })
    assert.doesNotMatch(sent.text, /hush-hush/)
    const [job] = await claim(running)
    assert.deepEqual(job?.['task_options'], { language: 'de' })
    const detail = await running.ask('GET', `/remote-jobs/${job!.job_id}`)
    assert.equal(detail.body['priority'], 7)
    assert.doesNotMatch(detail.text + running.logged.join(), /hush-hush/)
  })

  test('comes from curl itself, with the name it has on the disk', async (t) => {
    const { failed } = await execa('curl', ['--version'], { reject: false })
    if (failed) return t.skip('curl is not here')
    const running = await startRunning(t, { ingestion: allow })
    const name = 'Ein "Gespräch" – 1;2.mp3'
    const clip = running.file(name, CLIP.toString('latin1'))
    const quoted = clip.replaceAll('"', '\\"')
    const data = example('https://example.com/hook')
    const args = ['-sS', '-F', `file=@"${quoted}"`, '-F', `request_data=${data}`]
    const { stdout } = await execa('curl', [...args, `${running.url}/api/v1/process`])
    const { job_id: jobId } = processAnswer.parse(JSON.parse(stdout))
    const { source } = (await running.ask('GET', `/remote-jobs/${jobId}`)).body
    assert.equal((source as { filename: string }).filename, name)
  })
})

describe('what does not fit is 400 with a sentence', () => {
  const clip = file('filename="talk.mp3"', CLIP)
  const data = (different: object): Buffer =>
    field('request_data', example('https://example.com/hook', different))
  const cases: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
    ['no request_data', form(clip), /no field 'request_data'/],
    ['request_data that is not JSON', form(field('request_data', '{'), clip), /is not JSON/],
    ['a wrong type', form(data({ document_id: 7 }), clip), /document_id/],
    ['no file', form(data({})), /no part named 'file'/],
    ['an empty file', form(data({}), file('filename="a.mp3"', Buffer.alloc(0))), /is empty/],
    ['a source that is no file', form(data({ source_type: 'url' }), clip), /source_type is 'url'/],
    ['request_data that is a list', form(field('request_data', '[]'), clip), /request_data/],
    [
      'a webhook inside',
      form(data({ webhook_config: { url: 'http://10.0.0.1/' } }), clip),
      /not public/,
    ],
    [
      'a secret that is none',
      form(data({ webhook_config: { url: 'https://example.com/', secret: 'x' } }), clip),
      /24 to 64 bytes/,
    ],
  ]
  for (const [what, raw, sentence] of cases) {
    test(what, async (t) => {
      const running = await startRunning(t)
      const { status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
      assert.equal(status, 400, text)
      assert.match(text, sentence)
      assert.deepEqual(incoming(running), [])
    })
  }

  test('a body that is no form', async (t) => {
    const running = await startRunning(t)
    const { status, text } = await running.ask('POST', '/process', { json: { mode: 'ingest' } })
    assert.equal(status, 400)
    assert.match(text, /multipart form/)
  })

  test('what no processor takes is 422 and says what would', async (t) => {
    const running = await startRunning(t)
    const answers: string[] = []
    for (const different of [{ metadata: {} }, { content_type: 'document' }]) {
      const raw = form(data(different), clip)
      const { status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
      assert.equal(status, 422)
      answers.push(text)
    }
    assert.match(answers[0]!, /metadata\.remote.*--morag-url/)
    assert.match(answers[1]!, /'document'.*audio, video.*--remote-types.*--morag-url/)
  })

  test('is answered before the file has come, where request_data comes first', async (t) => {
    const running = await startRunning(t)
    const headers = { ...FORM, 'content-length': '50000000' }
    const request = httpRequest(`${running.url}/api/v1/process`, { method: 'POST', headers })
    request.on('error', () => undefined)
    request.write(data({ webhook_config: { url: 'http://10.0.0.1/' } }))
    request.write(clip)
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    assert.equal(answer.statusCode, 400)
    request.destroy()
  })
})

describe('in front of a MoRAG server', () => {
  for (const [order, first] of [
    ['request_data first', true],
    ['the file first', false],
  ] as const) {
    test(`what is not remote goes there byte for byte, with ${order}`, async (t) => {
      const morag = await moragServer(t)
      const running = await startRunning(t, { ingestion: { ...allow, moragUrl: morag.url } })
      const data = field('request_data', example('http://10.0.0.1/', { metadata: {} }))
      const large = file('filename="talk.mp3"', Buffer.alloc(2 * 1024 * 1024, 3))
      const raw = form(...(first ? [data, large] : [large, data]))
      const headers = { ...FORM, 'x-mine': 'yes', 'x-api-key': 'their-key' }
      const sent = await running.ask('POST', '/process?a=b%20c', { raw, headers })
      assert.equal(sent.status, 200)
      assert.equal(sent.headers.get('x-from'), 'morag')
      assert.equal(sent.body['task_id'], 'theirs')
      const [came] = morag.came
      assert.ok(came!.body.equals(raw))
      assert.equal(came!.url, '/api/v1/process?a=b%20c')
      assert.equal(came!.headers['content-type'], FORM['content-type'])
      assert.equal(came!.headers['x-mine'], 'yes')
      assert.equal(came!.headers['x-api-key'], 'their-key')
      assert.equal(came!.headers['content-length'], String(raw.length))
      await until(() => incoming(running).length === 0)
    })
  }

  for (const first of [true, false]) {
    test(`a document goes there as it came though it asks for a remote worker, ${first ? 'request_data' : 'the file'} first`, async (t) => {
      const morag = await moragServer(t)
      const running = await startRunning(t, { ingestion: { ...allow, moragUrl: morag.url } })
      // Past what is looked at, and past what is kept in memory.
      const text = Buffer.alloc(2 * 1024 * 1024, 'A text. ')
      const document = file('filename="a.txt"\r\nContent-Type: text/plain', text)
      for (const type of ['document', null]) {
        const data = field('request_data', example('https://example.com/', { content_type: type }))
        const raw = form(...(first ? [data, document] : [document, data]), field('more', 'of it'))
        const { body } = await running.ask('POST', '/process', { raw, headers: FORM })
        assert.equal(body['task_id'], 'theirs')
        assert.ok(morag.came.at(-1)?.body.equals(raw))
      }
      await until(() => incoming(running).length === 0)
    })
  }

  test('what is no form, or none that we understand, is the server’s to judge', async (t) => {
    const morag = await moragServer(t)
    morag.status = 422
    const running = await startRunning(t, { ingestion: { ...allow, moragUrl: morag.url } })
    const { status } = await running.ask('POST', '/process', { json: { mode: 'ingest' } })
    assert.equal(status, 422)
    assert.equal(morag.came[0]?.body.toString(), '{"mode":"ingest"}')
    for (const raw of [
      form(file('filename="a.mp3"', CLIP)),
      form(field('request_data', '{'), file('filename="a.mp3"', CLIP)),
      form(),
    ]) {
      assert.equal((await running.ask('POST', '/process', { raw, headers: FORM })).status, 422)
      assert.ok(morag.came.at(-1)?.body.equals(raw))
    }
  })

  test('other paths of the API are its own, ours are not', async (t) => {
    const morag = await moragServer(t)
    const running = await startRunning(t, { ingestion: { ...allow, moragUrl: morag.url } })
    morag.status = 418
    const { status } = await running.ask('PATCH', '/search/here?q=1', { json: { a: 1 } })
    assert.equal(status, 418)
    assert.equal(morag.came[0]?.method, 'PATCH')
    assert.equal(morag.came[0]?.url, '/api/v1/search/here?q=1')
    assert.equal(morag.came[0]?.body.toString(), '{"a":1}')
    assert.equal((await running.ask('GET', '/remote-jobs/nothing/here')).status, 404)
    assert.equal((await running.ask('GET', '/status/of-theirs')).status, 418)
    assert.equal(morag.came.length, 2)
  })

  test('its key takes the place of ours, which it never sees', async (t) => {
    const morag = await moragServer(t)
    const ingestion = { ...allow, moragUrl: morag.url, moragApiKey: 'theirs' }
    const running = await startRunning(t, { ingestion, apiKey: 'ours' })
    assert.equal((await running.ask('GET', '/search')).status, 401)
    const headers = { authorization: 'Bearer ours' }
    assert.equal((await running.ask('GET', '/search', { headers })).status, 200)
    assert.equal(morag.came.length, 1)
    assert.equal(morag.came[0]?.headers['authorization'], 'Bearer theirs')
    assert.doesNotMatch(JSON.stringify(morag.came[0]?.headers), /ours/)
  })

  for (const first of [true, false]) {
    test(`that is down, the answer is 502 and nothing was taken, with ${first ? 'request_data' : 'the file'} first`, async (t) => {
      const ingestion = { ...allow, moragUrl: 'http://127.0.0.1:1' }
      const running = await startRunning(t, { ingestion })
      const data = field('request_data', example('https://example.com/', { metadata: {} }))
      const clip = file('filename="a.mp3"', Buffer.alloc(2 * 1024 * 1024))
      const raw = form(...(first ? [data, clip] : [clip, data]))
      const { status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
      assert.equal(status, 502)
      assert.match(text, /127\.0\.0\.1:1.*nothing was taken, send it again/)
      await until(() => incoming(running).length === 0)
      assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
    })
  }
})

describe('an upload', () => {
  test('that says that it is too large is refused before it is read, another when it is', async (t) => {
    const running = await startRunning(t, { ingestion: allow, maxUploadBytes: 1024 })
    const post = async (headers: Record<string, string>, send: Uint8Array[]): Promise<number> => {
      const request = httpRequest(`${running.url}/api/v1/process`, {
        method: 'POST',
        headers: { ...FORM, ...headers },
      })
      request.on('error', () => undefined)
      for (const chunk of send) request.write(chunk)
      const [answer] = (await once(request, 'response')) as [{ statusCode: number }]
      request.destroy()
      return answer.statusCode
    }
    assert.equal(await post({ 'content-length': String(10 ** 10) }, [Buffer.from('--')]), 413)
    const data = field('request_data', example('https://example.com/'))
    const start = file('filename="a.mp3"', Buffer.alloc(4096))
    const chunked = { 'transfer-encoding': 'chunked' }
    assert.equal(await post(chunked, [data, start]), 413)
    // What comes before the field is kept, with room for the rest of the form.
    const more = file('filename="a.mp3"', Buffer.alloc(4 * 1024 * 1024))
    assert.equal(await post(chunked, [more]), 413)
    await until(() => incoming(running).length === 0)
    assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
  })

  for (const first of [true, false]) {
    test(`that does not fit on the disk is 507 and leaves no job, ${first ? 'request_data' : 'the file'} first`, async (t) => {
      const small = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
      const options = ['-t', 'tmpfs', '-o', 'size=6m', 'none', small]
      const { failed } = await execa('/bin/mount', options, { reject: false })
      if (failed) {
        rmdirSync(small)
        return t.skip('no small disk can be made here')
      }
      const dataDir = path.join(small, 'data')
      const running = await startRunning(t, { ingestion: allow, dataDir })
      t.after(async () => {
        await execa('/bin/umount', [small])
        rmdirSync(small)
      })
      const data = field('request_data', example('https://example.com/'))
      for (const mebibytes of first ? [8] : [4, 8]) {
        const clip = file('filename="a.mp3"', Buffer.alloc(mebibytes * 1024 * 1024, 1))
        const raw = form(...(first ? [data, clip] : [clip, data]))
        const { status, text } = await running.ask('POST', '/process', { raw, headers: FORM })
        assert.equal(status, 507, text)
        assert.match(text, /no disk space/)
        await until(() => incoming(running).length === 0)
      }
      assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
      // It goes on with what fits.
      const raw = form(data, file('filename="a.mp3"', CLIP))
      assert.equal((await running.ask('POST', '/process', { raw, headers: FORM })).status, 200)
    })
  }

  for (const first of [true, false]) {
    test(`that is cut leaves nothing behind, ${first ? 'request_data' : 'the file'} first`, async (t) => {
      const running = await startRunning(t, { ingestion: allow })
      const request = httpRequest(`${running.url}/api/v1/process`, {
        method: 'POST',
        headers: { ...FORM, 'content-length': '50000000' },
      })
      request.on('error', () => undefined)
      if (first) request.write(field('request_data', example('https://example.com/')))
      request.write(file('filename="a.mp3"', Buffer.alloc(3 * 1024 * 1024)))
      await until(() => incoming(running).length > 0)
      request.destroy()
      await until(() => incoming(running).length === 0)
      assert.deepEqual((await running.ask('GET', '/remote-jobs')).body['jobs'], [])
    })
  }
})
