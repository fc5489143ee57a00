import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test, type TestContext } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { wordErrors } from '../../agent/wer.ts'
import { ingestionMarkdown } from '../../shared/ingestion-markdown.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { startAgent } from '../conversion-set-up.ts'
import { startMorag, type Morag } from './morag.ts'
import type { Seen } from './morag-server.ts'
import { processForm, ProcessClient, stepIs } from './process-client.ts'
import { quietPort } from './quiet-port.ts'
import { startReceiver, type Delivery } from './receiver.ts'

interface Scene {
  folder: string
  morag: Morag
  coordinator: RunningCoordinator
  client: ProcessClient
}

/** A coordinator in front of a MoRAG server, each a process of its own. */
async function setUp(t: Pick<TestContext, 'after'>): Promise<Scene> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-test-'))
  const morag = await startMorag(t, folder)
  const args = ['--morag-url', morag.url, '--webhook-allow', '127.0.0.1']
  const coordinator = await startCoordinator(path.join(folder, 'data'), folder, { args })
  t.after(async () => {
    coordinator.signal('SIGKILL')
    await coordinator.ended
    await rm(folder, { recursive: true, force: true })
  })
  return { folder, morag, coordinator, client: new ProcessClient(coordinator.url) }
}

/** Stops the coordinator: nothing comes from it any more. */
async function stop(coordinator: RunningCoordinator): Promise<void> {
  coordinator.signal('SIGTERM')
  assert.deepEqual(await coordinator.ended, { exitCode: 0, signal: undefined })
}

function verify({ folder }: Scene, { raw, headers }: Delivery): void {
  const secret = readFileSync(path.join(folder, 'data', 'webhook-secret'), 'utf8').trim()
  new Webhook(secret).verify(raw, headers as Record<string, string>)
}

/** As the original's client example has it. */
function example(webhook: string): object {
  return {
    mode: 'ingest',
    source_type: 'file',
    content_type: 'audio',
    webhook_config: { url: webhook },
    metadata: { remote: true },
  }
}

/** Waits until all that follows a job is done, stops, and gives the one document and the one delivery. */
async function outcome(
  scene: Scene,
  deliveries: readonly Delivery[],
  jobId: string,
): Promise<{ ingestion: Seen; delivery: Delivery }> {
  const { coordinator, client, morag } = scene
  await stepIs(coordinator, jobId, 'webhook', 'done')
  await stepIs(coordinator, jobId, 'ingest', 'done')
  const { continuation } = await client.detail(jobId)
  assert.deepEqual(
    (await client.jobs()).map((job) => job.job_id),
    [jobId],
  )
  await stop(coordinator)
  const seen = morag.seen().filter(({ outcome: what }) => what !== 'status')
  assert.deepEqual(
    seen.map(({ outcome: what }) => what),
    ['ingested'],
  )
  assert.equal(deliveries.length, 1)
  const [delivery] = deliveries
  verify(scene, delivery!)
  assert.equal(delivery!.headers['webhook-id'], continuation?.id)
  assert.equal(headersOf(seen[0]!)['idempotency-key'], continuation?.id)
  return { ingestion: seen[0]!, delivery: delivery! }
}

/** What does not come by then never does. */
const PATIENCE_MS = 120_000
const TEXT = '# Audio Transcription: talk.mp3\n\n## Detailed Transcript\n\n[00:00] Grüße.\n'

describe('a file for remote workers', { concurrency: true, timeout: PATIENCE_MS }, () => {
  test('sent as in the original’s example is one job, one ingested transcript and one signed webhook', async (t) => {
    const receiver = await startReceiver(t)
    const scene = await setUp(t)
    const { folder, coordinator, client } = scene
    const agent = startAgent(coordinator.url, folder, 'gpu-1')
    t.after(() => agent.signal('SIGKILL'))
    const content = readFileSync(CLIPS.jfk.file)
    const sent = await client.process(
      processForm(example(receiver.url), { filename: 'audio.mp3', content }),
    )
    const { ingestion, delivery } = await outcome(scene, receiver.deliveries, sent.job_id)
    const { form, method, url } = ingestion
    assert.deepEqual([method, url], ['POST', '/api/v1/process'])
    assert.deepEqual([form?.filename, form?.mediaType], ['audio.md', 'text/markdown'])
    const { metadata, webhook_config, ...request } = form!.requestData
    assert.deepEqual(request, {
      mode: 'ingest',
      source_type: 'file',
      content_type: 'document',
      document_id: sent.job_id,
      replace_existing: true,
      processing_options: {},
    })
    assert.match((webhook_config as { url: string }).url, /\/api\/v1\/ingestion\/callbacks\//)
    const { source_type, source_path, remote_processing, remote_job_id, language, segments } =
      metadata as Record<string, unknown>
    assert.deepEqual(
      { source_type, source_path, remote_processing, remote_job_id, language, segments },
      {
        source_type: 'audio',
        source_path: 'audio.mp3',
        remote_processing: true,
        remote_job_id: sent.job_id,
        language: 'en',
        segments: undefined,
      },
    )
    assert.match(form!.text ?? '', /^# Audio Transcription: audio\.mp3\n/)
    const spoken = form!.text!.split('## Detailed Transcript')[1]!.replace(/\[[\d:]+\]/g, '')
    assert.equal(wordErrors(CLIPS.jfk.text, spoken).errors, 0)
    const { task_id: taskId, status, type, result } = delivery.body
    assert.deepEqual([taskId, status, type], [sent.task_id, 'SUCCESS', 'job.completed'])
    assert.equal(ingestionMarkdown((result as { content: string }).content), form!.text)
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  test('whose end the MoRAG server missed is ingested once it is back, once, and its webhook is not repeated', async (t) => {
    const receiver = await startReceiver(t)
    const scene = await setUp(t)
    const { morag, coordinator, client } = scene
    const asked = {
      ...example(receiver.url),
      document_id: 'minutes-7',
      metadata: { remote: true, course: 'history', tags: ['a', 'ü'] },
      processing_options: { language: 'de' },
    }
    const { job_id: jobId } = await client.process(
      processForm(asked, { filename: 'Vorlesung 7.mp3', content: 'ID3' }),
    )
    const job = await client.claim()
    await morag.stop()
    assert.deepEqual(JSON.parse(await client.finish(job, TEXT)), {
      status: 'completed',
      ingestion_continued: true,
    })
    await stepIs(coordinator, jobId, 'webhook', 'done')
    await stepIs(coordinator, jobId, 'ingest', 'pending')
    await morag.start()
    const { ingestion } = await outcome(scene, receiver.deliveries, jobId)
    assert.equal(ingestion.form?.filename, 'Vorlesung 7.md')
    assert.equal(ingestion.form.text, ingestionMarkdown(TEXT))
    const { webhook_config: _, metadata, ...request } = ingestion.form.requestData
    assert.deepEqual(request, {
      mode: 'ingest',
      source_type: 'file',
      content_type: 'document',
      document_id: 'minutes-7',
      replace_existing: false,
      processing_options: { language: 'de' },
    })
    const { course, tags } = metadata as Record<string, unknown>
    assert.deepEqual([course, tags], ['history', ['a', 'ü']])
  })

  test('whose end the receiver missed is delivered once it is back, under the one id, and is not ingested again', async (t) => {
    const port = await quietPort()
    const scene = await setUp(t)
    const { coordinator, client } = scene
    const { job_id: jobId } = await client.process(
      processForm(example(`http://127.0.0.1:${port}/hook`), {
        filename: 'talk.mp3',
        content: 'ID3',
      }),
    )
    await client.finish(await client.claim(), TEXT)
    await stepIs(coordinator, jobId, 'webhook', 'pending')
    await stepIs(coordinator, jobId, 'ingest', 'done')
    const receiver = await startReceiver(t, port)
    const { delivery } = await outcome(scene, receiver.deliveries, jobId)
    assert.equal((delivery.body['result'] as { content: string }).content, TEXT)
  })
})

interface Sent {
  method: string
  route: string
  headers?: Record<string, string>
  body?: Uint8Array
}

interface Got {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: string
}

async function send(url: string, { method, route, headers = {}, body }: Sent): Promise<Got> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/api/v1${route}`, { method, headers }, (answer) => {
      const { statusCode: status } = answer
      const { connection: _, 'keep-alive': __, date: ___, ...kept } = answer.headers
      buffer(answer).then(
        (bytes) => resolve({ status, headers: kept, body: bytes.toString('latin1') }),
        reject,
      )
    })
    request.once('error', reject)
    request.end(body)
  })
}

function headersOf({ rawHeaders }: Seen): Record<string, string> {
  const pairs = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1]!] as const] : [],
  )
  return Object.fromEntries(pairs)
}

/** A request as the server saw it, without what belongs to the connection. */
function seenAs(seen: Seen): object {
  const { host: _, connection: __, ...headers } = headersOf(seen)
  const { method, url, sizeBytes, sha256, form } = seen
  return { method, url, sizeBytes, sha256, form, headers }
}

/** Sends the same request through the coordinator and to the server itself: neither of both sees a difference. */
async function sameBothWays({ morag, coordinator }: Scene, sent: Sent): Promise<Got> {
  const through = await send(coordinator.url, sent)
  const directly = await send(morag.url, sent)
  assert.deepEqual(through, directly)
  const [first, second] = morag.seen().slice(-2)
  const address = new URL(coordinator.url).host
  const forwarded = {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': address,
    'x-forwarded-proto': 'http',
  }
  const plain = seenAs(second!) as { headers: object }
  assert.deepEqual(seenAs(first!), { ...plain, headers: { ...plain.headers, ...forwarded } })
  return through
}

describe('what is not for remote workers', { timeout: PATIENCE_MS }, () => {
  const ends: (() => unknown)[] = []
  let scene: Scene

  before(async () => {
    scene = await setUp({ after: (end) => void ends.unshift(end as () => unknown) })
  })
  after(async () => {
    for (const end of ends) await end()
  })

  for (const [what, different, file] of [
    [
      'a recording with remote: false',
      { content_type: 'audio', metadata: { remote: false } },
      { filename: 'audio.mp3', content: readFileSync(CLIPS.jfk.file), mediaType: 'audio/mpeg' },
    ],
    [
      'a document',
      { content_type: 'document', metadata: { remote: true } },
      { filename: 'Übersicht.md', content: '# Grüße\n', mediaType: 'text/markdown' },
    ],
  ] as const) {
    test(`${what} reaches the MoRAG server untouched, and its answer the client`, async () => {
      const { client, coordinator, morag } = scene
      const earlier = morag.seen().length
      for (const mode of ['ingest', 'convert']) {
        for (const fileFirst of [false, true]) {
          const asked = { ...example('http://127.0.0.1:1/'), ...different, mode }
          const { headers, body } = processForm(asked, file, fileFirst)
          const own = {
            'Idempotency-Key': `${what} ${mode} ${fileFirst}`,
            'X-Own': 'a, b',
            Cookie: 'c=d',
          }
          const framing = fileFirst
            ? { 'transfer-encoding': 'chunked' }
            : { 'content-length': String(body.length) }
          const got = await sameBothWays(scene, {
            method: 'POST',
            route: '/process?of=us',
            headers: { ...headers, ...own, ...framing, Authorization: 'Bearer the-clients' },
            body,
          })
          // The original converts documents alone in this mode.
          const isRefused = mode === 'convert' && file.filename.endsWith('.mp3')
          assert.equal(got.status, isRefused ? 400 : 200)
          const { task_id: task } = JSON.parse(got.body) as { task_id?: string }
          if (task !== undefined)
            await sameBothWays(scene, { method: 'GET', route: `/status/${task}` })
        }
      }
      assert.deepEqual(await client.jobs(), [])
      const ingested = morag
        .seen()
        .slice(earlier)
        .filter(({ document }) => document !== null)
      // The same text again is passed over.
      assert.equal(ingested.length, 1)
      assert.ok(!coordinator.lines.some((line) => line.includes('"job_id"')))
    })
  }

  test('any other path reaches it as it was written', async () => {
    const headers = { 'content-type': 'application/json', 'x-own': 'yes' }
    for (const sent of [
      { method: 'GET', route: '/search?q=a%20b&q=c+d&limit=5' },
      { method: 'DELETE', route: '/documents/a%2Fb/%C3%BC', headers },
      { method: 'POST', route: '/search', headers, body: Buffer.from('{"query":"Grüße"}') },
      { method: 'PATCH', route: '/process', headers, body: Buffer.from('{}') },
      { method: 'GET', route: '/status/of-nobody' },
    ]) {
      const { headers: said } = await sameBothWays(scene, sent)
      assert.equal(said['x-from'], 'morag')
    }
    await stop(scene.coordinator)
  })
})
