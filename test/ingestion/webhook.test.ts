import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { summaryOf } from '../../coordinator/blobs/transcript-work.ts'
import { Webhook } from 'standardwebhooks'
import { AddressGuard } from '../../coordinator/ingestion/address-guard.ts'
import type { Tried } from '../../coordinator/job/continuation.ts'
import { loadWebhookSecret } from '../../coordinator/ingestion/webhook-secret.ts'
import { FileSecrets } from '../../coordinator/storage/secrets.ts'
import { WebhookSender } from '../../coordinator/ingestion/webhook-sender.ts'
import { checkWebhook, webhookOf } from '../../coordinator/ingestion/webhook-target.ts'
import { payloadOf, webhookStep } from '../../coordinator/ingestion/webhook.ts'
import type { WebhookTarget } from '../../coordinator/job/ingestion.ts'
import type { EndedJob, ResultBody } from '../../coordinator/job/job.ts'
import { AppError } from '../../shared/errors.ts'
import { oneOfEach, pendingJob } from '../coordinator/example-jobs.ts'
import { startForwardProxy } from '../shared/forward-proxy.ts'
import { startReceiver } from './receiver.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const OTHER_SECRET = `whsec_${Buffer.alloc(24, 9).toString('base64')}`
const LOOPBACK = new AddressGuard(['127.0.0.1'])
const RESULT: ResultBody = {
  content: '# Audio Transcription: talk.mp3',
  metadata: { duration: 60, language: 'en', segments: [{ start: 0, end: 1, text: 'Hello.' }] },
}

function jobFor(webhook: Partial<WebhookTarget> & { url: string }, status = 'completed'): EndedJob {
  const job = oneOfEach()[status as 'completed'] as EndedJob
  return {
    ...job,
    ingestion: {
      mode: 'ingest',
      local: false,
      sourceType: 'file',
      mediaType: null,
      documentId: 'doc-1',
      webhook: { authToken: null, secret: null, progress: false, ...webhook },
      metadata: {},
      processingOptions: {},
      ingestOptions: {},
    },
  }
}

async function deliver(job: EndedJob, guard = LOOPBACK, result = RESULT): Promise<Tried> {
  const step = webhookStep({
    sender: new WebhookSender({ secret: SECRET, guard, now: Date.now }),
    summaryOf: async (_, mostChars) => summaryOf(result, mostChars),
    now: Date.now,
  })
  return await step(job, 'msg_1', new AbortController().signal)
}

test('goes through the proxy that is set for it, and that alone looks its name up', async (t) => {
  const receiver = await startReceiver(t)
  const proxy = await startForwardProxy(t, { 'hooks.example': Number(new URL(receiver.url).port) })
  const guard = new AddressGuard([])
  const sender = new WebhookSender({ secret: SECRET, guard, proxy: proxy.url, now: Date.now })
  const step = webhookStep({
    sender,
    summaryOf: async () => summaryOf(RESULT, 1_000),
    now: Date.now,
  })
  const { signal } = new AbortController()
  const job = jobFor({ url: 'http://hooks.example/end' })
  assert.deepEqual(await step(job, 'msg_1', signal), { done: true })
  assert.deepEqual(proxy.asked, ['POST http://hooks.example/end'])
  const inside = jobFor({ url: 'http://10.0.0.1/end' })
  assert.match(reasonOf(await step(inside, 'msg_2', signal)), /10\.0\.0\.1 is not public/)
  assert.equal(proxy.asked.length, 1)
})

function reasonOf(tried: Tried): string {
  return tried.done ? 'done' : tried.message
}

/** A server that counts who came. */
async function server(
  t: TestContext,
  answer: (end: (status: number, headers?: Record<string, string>) => void) => void,
): Promise<{ port: number; requests: () => number }> {
  let requests = 0
  const http = createServer((request, response) => {
    requests += 1
    request.resume()
    answer((status, headers) => response.writeHead(status, headers).end())
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  return { port: (http.address() as AddressInfo).port, requests: () => requests }
}

describe('a delivery', () => {
  test('is signed so that the specification’s own library takes it, and HMAC by hand', async (t) => {
    const receiver = await startReceiver(t)
    assert.deepEqual(await deliver(jobFor({ url: receiver.url })), { done: true })
    const { headers, raw, body } = await receiver.delivery(0)
    const sent = Object.fromEntries(Object.entries(headers).map(([name, v]) => [name, String(v)]))
    assert.deepEqual(new Webhook(SECRET).verify(raw, sent), body)
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
    const signed = `msg_1.${sent['webhook-timestamp']}.${raw}`
    const hmac = createHmac('sha256', key).update(signed).digest('base64')
    assert.equal(sent['webhook-signature'], `v1,${hmac}`)
    assert.equal(sent['webhook-id'], 'msg_1')
    assert.equal(sent['authorization'], undefined)
  })

  test('has the original’s keys and those of Standard Webhooks', async (t) => {
    const receiver = await startReceiver(t)
    const job = jobFor({ url: receiver.url })
    await deliver(job)
    const { body } = await receiver.delivery(0)
    const { result, data, ...rest } = body as Record<string, Record<string, unknown>>
    assert.deepEqual(Object.keys(rest), ['task_id', 'status', 'completed_at', 'type', 'timestamp'])
    assert.equal(body['status'], 'SUCCESS')
    assert.equal(body['type'], 'job.completed')
    assert.equal(body['task_id'], job.ingestionTaskId)
    assert.equal(result?.['remote_job_id'], job.jobId)
    assert.equal(result?.['content'], RESULT.content)
    // Segments are fetched, not sent.
    assert.deepEqual(result?.['metadata'], {
      duration: 60,
      language: 'en',
      remote_processing: true,
    })
    const { chunks_processed, total_text_length, databases_used } = result ?? {}
    assert.deepEqual(
      { chunks_processed, total_text_length, databases_used },
      { chunks_processed: null, total_text_length: RESULT.content.length, databases_used: null },
    )
    assert.equal(data?.['job_id'], job.jobId)
    assert.equal(data?.['status'], 'completed')
  })

  test('carries the request’s own token and is signed with its own secret', async (t) => {
    const receiver = await startReceiver(t)
    await deliver(jobFor({ url: receiver.url, authToken: 'mine', secret: OTHER_SECRET }))
    const { headers, raw } = await receiver.delivery(0)
    const sent = Object.fromEntries(Object.entries(headers).map(([name, v]) => [name, String(v)]))
    new Webhook(OTHER_SECRET).verify(raw, sent)
    assert.throws(() => new Webhook(SECRET).verify(raw, sent))
    assert.equal(sent['authorization'], 'Bearer mine')
  })

  for (const status of ['failed', 'timeout', 'cancelled'] as const) {
    test(`tells of a job that is ${status}`, () => {
      const body = payloadOf(jobFor({ url: 'x' }, status), null, Date.now()) as Delivered
      assert.equal(body.status, 'FAILURE')
      assert.equal(body.type, `job.${status}`)
      assert.equal(body.result['content'], null)
      assert.equal(typeof body.result['error_code'], status === 'cancelled' ? 'object' : 'string')
    })
  }

  test('leaves a text out that is very long, and says where it is', () => {
    const result = { ...RESULT, content: 'a'.repeat(300_000) }
    const body = payloadOf(
      jobFor({ url: 'x' }),
      summaryOf(result, 256 * 1024),
      Date.now(),
    ) as Delivered
    assert.equal(body.result['content'], null)
    assert.equal(body.result['content_truncated'], true)
    assert.match(String(body.result['result_url']), /^\/api\/v1\/remote-jobs\/.*\/result$/)
  })
})

interface Delivered {
  status: string
  type: string
  result: Record<string, unknown>
}

describe('a receiver', () => {
  test('that is not well is tried again, when it says', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = { status: 503, headers: { 'retry-after': '7200' }, body: 'down\u001b[31m' }
    const tried = await deliver(jobFor({ url: receiver.url }))
    const message = 'The receiver answered 503: down [31m.'
    assert.deepEqual(tried, { done: false, message, final: false, retryAfterMs: 7_200_000 })
    receiver.answer = { status: 500 }
    assert.equal(
      reasonOf(await deliver(jobFor({ url: receiver.url }))),
      'The receiver answered 500.',
    )
  })

  test('that is gone is not tried again', async (t) => {
    const receiver = await startReceiver(t)
    receiver.answer = { status: 410 }
    const tried = await deliver(jobFor({ url: receiver.url }))
    assert.equal(tried.done === false && tried.final, true)
  })

  test('is not followed to another place', async (t) => {
    const inside = await server(t, (end) => end(200))
    const location = `http://127.0.0.1:${inside.port}/`
    const outside = await server(t, (end) => end(302, { location }))
    const tried = await deliver(jobFor({ url: `http://127.0.0.1:${outside.port}/` }))
    assert.match(reasonOf(tried), /302, a redirect, which is not followed/)
    assert.equal(inside.requests(), 0)
  })

  test('that answers without end is hung up on', async (t) => {
    let written = 0
    const endless = createServer((request, response) => {
      request.resume()
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 'a'))) written += 65_536
      }
      response.on('drain', more)
      more()
    })
    endless.listen(0, '127.0.0.1')
    await once(endless, 'listening')
    const closed = new Promise<void>((resolve) => {
      endless.once('connection', (socket) => {
        socket.once('error', () => undefined)
        socket.once('close', () => resolve())
      })
    })
    t.after(() => endless.close())
    const { port } = endless.address() as AddressInfo
    assert.deepEqual(await deliver(jobFor({ url: `http://127.0.0.1:${port}/` })), { done: true })
    await closed
    assert.ok(written < 64 * 1024 * 1024, String(written))
  })

  test('that cannot be reached is tried again, and no word tells its secrets', async () => {
    const tried = await deliver(
      jobFor({
        url: 'http://127.0.0.1:1/path?key=hush',
        authToken: 'hush',
        secret: OTHER_SECRET,
      }),
    )
    assert.match(reasonOf(tried), /could not be reached: the connection was refused/)
    assert.doesNotMatch(reasonOf(tried), /hush|whsec/)
  })
})

describe('addresses', () => {
  const STRICT = new AddressGuard([])
  const inside = [
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f.0.0.1/',
    'http://2130706433/',
    'http://017700000001/',
    'http://127.0.0.1./',
    'http://localhost/',
    'http://a.localhost/',
    'http://0.0.0.0/',
    'http://10.1.2.3/',
    'http://172.16.0.1/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://198.18.0.1/',
    'http://192.0.0.1/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[::1]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:1::1]/',
    'http://[2606:4700::5efe:7f00:1]/',
    'http://[2606:4700::5efe:10.0.0.1]/',
    'http://[2606:4700:0:1:200:5efe:808:808]/',
    'http://[fe80::5efe:8.8.8.8]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[::ffff:0:8.8.8.8]/',
    'http://[64:ff9b:1:7f00:0:100:808:808]/',
    'http://[64:ff9b:1::808:808]/',
    'http://[2001:0:808:808::f7f7:f7f7]/',
    'http://[1::1]/',
    'http://[4000::1]/',
    'http://[fe80::1]/',
    'http://[fc00::1]/',
    'http://[fec0::1]/',
    'http://[ff02::1]/',
  ]
  for (const url of inside) {
    test(`${url} is refused`, () => {
      const target = { url, authToken: null, secret: null, progress: false }
      assert.throws(() => checkWebhook(target, STRICT), /--webhook-allow/)
    })
  }

  for (const url of [
    'https://example.com/hook',
    'http://93.184.216.34/',
    'http://[2606:4700::1111]/',
  ]) {
    test(`${url} is fine`, () =>
      checkWebhook({ url, authToken: null, secret: null, progress: false }, STRICT))
  }

  test('are refused that are none, of other protocols, or with credentials', () => {
    for (const url of [
      'nonsense',
      'ftp://example.com/',
      'file:///etc/passwd',
      'http://a:b@example.com/',
    ]) {
      assert.throws(
        () => checkWebhook({ url, authToken: null, secret: null, progress: false }, STRICT),
        (error) => error instanceof AppError && error.code === 'invalid',
        url,
      )
    }
  })

  test('that are allowed are taken: hosts, addresses, networks', () => {
    const guard = new AddressGuard(['10.0.0.0/8', 'hooks.lan', '::1', 'localhost'])
    for (const url of [
      'http://10.9.8.7/',
      'http://[::1]/',
      'http://localhost/',
      'http://hooks.lan/',
    ])
      checkWebhook({ url, authToken: null, secret: null, progress: false }, guard)
    assert.throws(
      () =>
        checkWebhook(
          { url: 'http://192.168.0.1/', authToken: null, secret: null, progress: false },
          guard,
        ),
      /not public/,
    )
    assert.throws(() => new AddressGuard(['what is this']), /--webhook-allow/)
  })

  test('of a name are looked up once, and all of them have to be public', async (t) => {
    const local = await server(t, (end) => end(200))
    const answers = [
      [{ address: '127.0.0.1', family: 4 }],
      [
        { address: '93.184.216.34', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ],
      [{ address: '::ffff:127.0.0.1', family: 6 }],
    ]
    let asked = 0
    const guard = new AddressGuard([], (_, __, callback) => callback(null, answers[asked++]!))
    for (const address of answers.map((all) => all.at(-1)!.address)) {
      const tried = await deliver(jobFor({ url: `http://changing.example:${local.port}/` }), guard)
      assert.ok(reasonOf(tried).includes(`changing.example is at ${address}`), reasonOf(tried))
    }
    assert.equal(asked, 3)
    assert.equal(local.requests(), 0)
  })

  test('of an allowed name may be anywhere, and are connected to as they were looked up', async (t) => {
    const local = await server(t, (end) => end(200))
    const found = [{ address: '127.0.0.1', family: 4 }]
    const guard = new AddressGuard(['hooks.lan'], (_, __, callback) => callback(null, found))
    const tried = await deliver(jobFor({ url: `http://hooks.lan:${local.port}/` }), guard)
    assert.deepEqual(tried, { done: true })
    assert.equal(local.requests(), 1)
  })
})

test('a job’s webhook is what its ingestion says, or the original’s options, or nothing', () => {
  const target = { url: 'https://a.example/', authToken: null, secret: null, progress: false }
  const of = (taskOptions: Record<string, unknown>) => webhookOf(pendingJob({ taskOptions }))
  assert.equal(of({}), null)
  assert.equal(of({ webhook_url: 7 }), null)
  assert.equal(of({ webhook_config: 'x' }), null)
  assert.deepEqual(of({ webhook_url: target.url }), target)
  assert.deepEqual(of({ webhook_config: { url: target.url, auth_token: 't', progress: true } }), {
    ...target,
    authToken: 't',
    progress: true,
  })
  assert.deepEqual(webhookOf(jobFor({ url: 'https://b.example/' }))?.url, 'https://b.example/')
})

describe('the secret', () => {
  test('is made once, for the owner alone, and kept', async (t) => {
    const dir = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const secret = await loadWebhookSecret(null, new FileSecrets(dir))
    assert.match(secret, /^whsec_/)
    assert.equal(await loadWebhookSecret(null, new FileSecrets(dir)), secret)
    const file = path.join(dir, 'webhook-secret')
    assert.equal(readFileSync(file, 'utf8').trim(), secret)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(await loadWebhookSecret(SECRET, new FileSecrets(dir)), SECRET)
    writeFileSync(file, 'broken')
    await assert.rejects(
      loadWebhookSecret(null, new FileSecrets(dir)),
      /webhook-secret is not 'whsec_'/,
    )
  })

  test('of a request is checked when it comes', () => {
    const target = {
      url: 'https://a.example/',
      authToken: null,
      secret: 'too-short',
      progress: false,
    }
    assert.throws(() => checkWebhook(target, LOOPBACK), /24 to 64 bytes/)
  })
})
