import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { CallbackUrls } from '../../coordinator/ingestion/callback-url.ts'
import { documentOf, ingestStep } from '../../coordinator/ingestion/ingest.ts'
import { MoragClient } from '../../coordinator/ingestion/morag-client.ts'
import { emptyAnswer } from '../../coordinator/job/continuation.ts'
import { hasEnded, type CompletedJob, type EndedJob } from '../../coordinator/job/job.ts'
import { Renditions } from '../../coordinator/blobs/renditions.ts'
import { Results } from '../../coordinator/blobs/results.ts'
import { Transcripts } from '../../coordinator/blobs/transcripts.ts'
import { after, CLAIM, NOON, oneOfEach, pendingJob, result } from '../coordinator/example-jobs.ts'
import {
  claimedJob,
  NO_INGESTION,
  startRunning,
  until,
  type Running,
} from '../coordinator/running.ts'
import { startServer, type Answered } from './form-server.ts'

const CALLBACKS = new CallbackUrls('http://127.0.0.1:9', 'the secret')
const TEXT = { text: 'The text.', metadata: {} }

async function setUp(
  t: TestContext,
  { apiKey = null, timeoutMs = 60_000 }: { apiKey?: string | null; timeoutMs?: number } = {},
) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  const server = await startServer(t)
  const client = new MoragClient({ url: server.url, apiKey, api: 'process' })
  t.after(async () => {
    await client.close()
    rmSync(root, { recursive: true, force: true })
  })
  const transcripts = new Transcripts(await Results.open(root), await Renditions.open(root))
  const step = ingestStep({
    client,
    transcripts,
    callbacks: CALLBACKS,
    isReachable: true,
    now: () => NOON,
    timeoutMs,
  })
  const tryIt = async (job: EndedJob, signal = new AbortController().signal) =>
    await step(job, 'the id', signal)
  return { root, server, client, tryIt }
}

function completed(different: Parameters<typeof pendingJob>[0] = {}): CompletedJob {
  const job = after(pendingJob(different), CLAIM, { type: 'succeed', attempt: 1, result: result() })
  assert.ok(job.status === 'completed')
  return job
}

describe('the ingestion of a text', () => {
  test('hands it in as a Markdown document that replaces an earlier one of its id', async (t) => {
    const { server, tryIt } = await setUp(t, { apiKey: 'the-key' })
    const job = completed()
    assert.deepEqual(await tryIt(job), {
      done: true,
      answer: { ...emptyAnswer('process'), totalTextLength: 31 },
    })
    const { url, headers, data, file } = server.got[0]!
    assert.equal(url, '/api/v1/process')
    assert.equal(headers['idempotency-key'], 'the id')
    assert.deepEqual([headers.authorization, headers['x-api-key']], ['Bearer the-key', 'the-key'])
    assert.deepEqual(data, {
      mode: 'ingest',
      source_type: 'file',
      content_type: 'document',
      document_id: job.jobId,
      replace_existing: true,
      processing_options: {},
      webhook_config: { url: CALLBACKS.of(job.jobId, 'the id') },
      metadata: {
        source_type: 'audio',
        source_path: 'talk.mp3',
        processing_time: job.result.processingSeconds,
        remote_processing: true,
        remote_job_id: job.jobId,
        ...job.result.body?.metadata,
      },
    })
    assert.deepEqual([file.filename, file.mediaType], ['talk.md', 'text/markdown'])
    assert.equal(file.begin, '# Audio Transcription: talk.mp3')
  })

  test('keeps what the client said of it, but that a remote worker should do it', () => {
    const ingestion = {
      mode: 'ingest',
      local: false,
      sourceType: 'file',
      mediaType: null,
      documentId: 'minutes-7',
      webhook: {
        url: 'https://receiver.example',
        authToken: 'secret',
        secret: null,
        progress: false,
      },
      metadata: { remote: true, author: 'Ada', api_key: 'hers' },
      processingOptions: { language: 'de' },
      ingestOptions: {},
    }
    const job = completed({ ingestion })
    const { documentId, metadata, options } = documentOf(job, TEXT, 'http://127.0.0.1:9/')
    assert.equal(documentId, 'minutes-7')
    const { author, api_key } = metadata
    assert.deepEqual([author, api_key], ['Ada', 'hers'])
    // What has that id may be another's: the client has not said that it is to be replaced.
    assert.deepEqual([options.language, options.replaceExisting], ['de', false])
  })

  test('of a job that came as the original’s has its options, without the secrets', () => {
    const taskOptions = {
      language: 'de',
      document_id: 'minutes-7',
      replace_existing: true,
      chunk_size: '900',
      metadata: { author: 'Ada' },
      databases: [{ type: 'qdrant' }],
      use_docling: true,
      api_key: 'hers',
      webhook_url: 'https://receiver.example',
    }
    const { documentId, metadata, options } = documentOf(
      completed({ taskOptions }),
      TEXT,
      'http://127.0.0.1:9/',
    )
    assert.deepEqual([documentId, metadata['author']], ['minutes-7', 'Ada'])
    const { language, replaceExisting, chunkSize, databases, rest } = options
    assert.deepEqual(
      { language, replaceExisting, chunkSize, databases, rest },
      {
        language: 'de',
        replaceExisting: true,
        chunkSize: 900,
        databases: [{ type: 'qdrant' }],
        rest: { use_docling: true },
      },
    )
  })

  test('is over when the server will never take it', async (t) => {
    const { server, tryIt } = await setUp(t)
    for (const status of [400, 413, 415, 422]) {
      server.answer = { status, body: { detail: 'no such mode' } }
      const message = `The MoRAG server at ${new URL(server.url).host} answered ${status}: no such mode.`
      const expected = { done: false, message, final: true, retryAfterMs: null }
      assert.deepEqual(await tryIt(completed()), expected)
    }
  })

  test('is tried again after all else, and when the server says', async (t) => {
    const { server, tryIt } = await setUp(t)
    for (const status of [302, 401, 404, 408, 429, 500, 503]) {
      server.answer = { status, headers: { 'retry-after': '7200' }, body: '<html>' }
      const tried = await tryIt(completed())
      assert.ok(!tried.done)
      assert.deepEqual([tried.final, tried.retryAfterMs], [false, 7_200_000], String(status))
    }
    server.answer = { status: 200, body: { success: false, error_message: 'no graph' } }
    const tried = await tryIt(completed())
    assert.ok(!tried.done && !tried.final)
    assert.match(tried.message, /failed: no graph/)
  })

  test('is tried again without an answer', async (t) => {
    const { server, tryIt } = await setUp(t, { timeoutMs: 50 })
    server.answer = null
    assert.deepEqual(await tryIt(completed()), {
      done: false,
      message: 'The MoRAG server took too long.',
      final: false,
      retryAfterMs: null,
    })
    const nowhere = new MoragClient({ url: 'http://127.0.0.1:1', apiKey: null, api: 'process' })
    t.after(async () => await nowhere.close())
    const document = documentOf(completed(), TEXT, 'http://127.0.0.1:9/')
    await assert.rejects(nowhere.ingest(document, 'the id', new AbortController().signal), {
      code: 'unavailable',
      message: 'The MoRAG server at 127.0.0.1:1 cannot be reached: the connection was refused.',
    })
  })

  test('is no outcome at all when it is cut', async (t) => {
    const { server, tryIt } = await setUp(t)
    server.answer = null
    const cut = new AbortController()
    const tried = tryIt(completed(), cut.signal)
    await until(() => server.got.length === 1)
    cut.abort(new Error('we stop'))
    await assert.rejects(tried, /we stop/)
  })

  test('has nothing to do with a job that has no text', async (t) => {
    const { server, tryIt } = await setUp(t)
    const { failed } = oneOfEach()
    assert.ok(hasEnded(failed))
    assert.equal((await tryIt(failed)).done, false)
    assert.equal(server.got.length, 0)
  })
})

test('what went wrong is said in our words', async (t) => {
  const { server, client } = await setUp(t)
  const document = documentOf(completed(), TEXT, 'http://127.0.0.1:9/')
  const failures: [Answered, string, RegExp][] = [
    [{ status: 415, body: { detail: 'no text' } }, 'unsupported_media', /415: no text\.$/],
    [{ status: 422, body: { detail: [{ msg: 'odd' }] } }, 'unsupported_media', /422: \[.*odd/],
    [{ status: 413, body: '' }, 'too_large', /answered 413\.$/],
    [{ status: 429, body: '' }, 'too_many_requests', /answered 429/],
    [{ status: 401, body: '' }, 'unavailable', /--morag-api-key-file/],
    [{ status: 502, body: '<html>' }, 'unavailable', /answered 502\.$/],
    [{ status: 200, body: { success: false, error_message: 'a\nb' } }, 'engine_failed', /: a b$/],
  ]
  for (const [answer, code, message] of failures) {
    server.answer = answer
    const never = new AbortController().signal
    await assert.rejects(client.ingest(document, 'the id', never), { code, message })
  }
})

test('the server that was down when a job ended has its text when it is back, once', async (t) => {
  const server = await startServer(t)
  server.answer = { status: 503, body: { detail: 'starting' } }
  const ingestion = { ...NO_INGESTION, moragUrl: server.url, moragApi: 'process' as const }
  const running = await startRunning(t, { ingestion })
  const { job_id: jobId, lease_token } = await claimedJob(running)
  const json = { success: true, content: '# Talk', metadata: {}, lease_token }
  const { body } = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
  assert.equal(body['ingestion_continued'], true)
  await until(() => server.got.length === 1)
  server.answer = { status: 200, body: { success: true } }
  await until(async () => (await stateOf(running, jobId)) === 'done')
  assert.equal(server.got.length, 2)
  const [first, second] = server.got.map(({ headers }) => headers['idempotency-key'])
  assert.ok(first !== undefined && first === second)
})

async function stateOf(running: Running, jobId: string): Promise<unknown> {
  const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
  return (body['continuation'] as { steps: { state: string }[] }).steps[0]!.state
}
