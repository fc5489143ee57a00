import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { ingestAnswer } from '../../shared/wire-ingestion.ts'
import {
  claim,
  claimedJob,
  createJob,
  NO_INGESTION,
  startRunning,
  type Answer,
  type Running,
} from '../coordinator/running.ts'
import { startReceiver } from './receiver.ts'

const CLIP = Buffer.concat([Buffer.from('RIFF....WAVEfmt '), Buffer.alloc(4_000)])
const allow = { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] }

type Parts = readonly (readonly [string, string | Blob])[]
const speech = (filename = 'talk.wav'): [string, File] => ['file', new File([CLIP], filename)]

/** Sends a form with these parts in this order; the answer, and the bytes that were sent. */
async function ingest(running: Running, parts: Parts): Promise<Answer & { sent: Buffer }> {
  const form = new FormData()
  for (const [name, value] of parts)
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value)
  const request = new Response(form)
  const raw = new Uint8Array(await request.arrayBuffer())
  const headers = { 'content-type': request.headers.get('content-type')! }
  return {
    ...(await running.ask('POST', '/ingest/file', { raw, headers })),
    sent: Buffer.from(raw),
  }
}

async function detailOf(running: Running, body: Record<string, unknown>) {
  return (await running.ask('GET', `/remote-jobs/${String(body['job_id'])}`)).body
}

/** Stands in for the MoRAG server: what came to it. */
async function moragServer(t: TestContext) {
  const came: { method: string; url: string; body: Buffer }[] = []
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      came.push({ method: request.method!, url: request.url!, body })
      response.writeHead(218, { 'content-type': 'application/json' }).end('{"task_id":"theirs"}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { came, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** What the original's older clients can ask for, as form fields; Python writes its booleans like this. */
const FIELDS: Parts = [
  ['source_type', 'audio'],
  ['document_id', '007'],
  ['replace_existing', 'True'],
  ['metadata', '{"course": "history", "nested": {"deep_key": 1}}'],
  ['chunk_size', '4000'],
  ['chunk_overlap', '200'],
  ['chunking_strategy', 'semantic'],
  ['language', 'en'],
  ['databases[]', 'qdrant'],
  ['databases[]', '{"type": "neo4j", "database": "talks"}'],
  ['remote', 'True'],
]
const OPTIONS = {
  replace_existing: true,
  chunk_size: 4000,
  chunk_overlap: 200,
  chunking_strategy: 'semantic',
  language: 'en',
  databases: ['qdrant', { type: 'neo4j', database: 'talks' }],
}

describe('a form to POST /ingest/file with remote true', () => {
  const asJson = {
    source_type: 'audio',
    document_id: '007',
    metadata: { course: 'history', nested: { deep_key: 1 } },
    remote: true,
    ...OPTIONS,
  }
  for (const [how, parts] of [
    ['in its fields', [...FIELDS, speech()]],
    ['in fields behind the file', [speech(), ...FIELDS]],
    ['in request_data', [['request_data', JSON.stringify(asJson)], speech()]],
    [
      'in both',
      [
        ['remote', 'false'],
        ['chunk_size', '1'],
        ['request_data', JSON.stringify(asJson)],
        speech(),
      ],
    ],
  ] as [string, Parts][]) {
    test(`becomes a job that has all that was asked for ${how}`, async (t) => {
      const receiver = await startReceiver(t)
      const running = await startRunning(t, { ingestion: allow })
      const sent = await ingest(running, [['webhook_url', receiver.url], ...parts])
      assert.equal(sent.status, 200, sent.text)
      ingestAnswer.parse(sent.body)
      assert.equal(sent.body['estimated_time'], 10)
      const detail = await detailOf(running, sent.body)
      assert.equal(detail['content_type'], 'audio')
      assert.equal(detail['webhook'], new URL(receiver.url).origin)
      const { metadata, document_id, mode, processing_options } = detail['ingestion'] as Record<
        string,
        unknown
      >
      assert.deepEqual(metadata, asJson.metadata)
      assert.deepEqual([document_id, mode], ['007', 'ingest'])
      // Readers do not see what is named like a secret.
      const { databases: _, ...shown } = OPTIONS
      assert.deepEqual(processing_options, shown)
      assert.equal(await finish(running), 'completed')
      const { body: told } = await receiver.delivery(0)
      assert.equal(told['task_id'], sent.body['task_id'])
      const { body: task } = await running.ask('GET', String(sent.body['status_url']).slice(7))
      assert.equal(task['state'], 'completed')
    })
  }

  test('is taken from curl, with the type that its bytes say', async (t) => {
    const { failed } = await execa('curl', ['--version'], { reject: false })
    if (failed) return t.skip('no curl here')
    const running = await startRunning(t)
    const clip = running.file('talk', CLIP.toString('latin1'))
    const args = ['-fsS', '-F', `file=@${clip}`, '-F', 'remote=true', '-F', 'source_type=']
    const { stdout } = await execa('curl', [...args, `${running.url}/api/v1/ingest/file`])
    const detail = await detailOf(running, JSON.parse(stdout) as Record<string, unknown>)
    assert.equal(detail['content_type'], 'audio')
  })

  for (const [what, parts, said] of [
    [
      'no file',
      [
        ['remote', 'true'],
        ['source_type', 'audio'],
      ],
      /no part named 'file'/,
    ],
    [
      'metadata that is no JSON',
      [['metadata', '{'], ['remote', '1'], speech()],
      /^The form does not fit: metadata: /,
    ],
    [
      'request_data that is no JSON',
      [['request_data', '{'], speech()],
      /'request_data' is not JSON/,
    ],
    [
      'a type that nobody takes',
      [['source_type', 'web'], ['remote', 'true'], speech()],
      /No processor is configured for 'web'/,
    ],
  ] as [string, Parts, RegExp][]) {
    test(`is refused with ${what}`, async (t) => {
      const running = await startRunning(t)
      const { status, body, text } = await ingest(running, parts)
      assert.ok(status === 400 || status === 422, text)
      const { detail } = body
      assert.match(
        Array.isArray(detail) ? String((detail[0] as { msg: string }).msg) : String(detail),
        said,
      )
    })
  }
})

describe('a form to POST /ingest/file for no remote type', () => {
  for (const [how, parts] of [
    ['says nothing of it', [['source_type', 'audio'], speech()]],
    ['says false', [['remote', 'false'], speech()]],
    ['is of another type', [speech('notes.pdf'), ['remote', 'true'], ['source_type', 'document']]],
  ] as [string, Parts][]) {
    test(`that ${how} goes to the MoRAG server as it came`, async (t) => {
      const morag = await moragServer(t)
      const ingestion = { ...NO_INGESTION, moragUrl: morag.url }
      const running = await startRunning(t, { ingestion })
      const { status, body, sent } = await ingest(running, parts)
      assert.deepEqual([status, body['task_id']], [218, 'theirs'])
      assert.equal(morag.came[0]!.url, '/api/v1/ingest/file')
      assert.ok(morag.came[0]!.body.equals(sent))
    })
  }

  test('is done here without one, where that can be', async (t) => {
    const running = await startRunning(t)
    const note: Parts = [['file', new File(['Hello.'], 'note.md')]]
    const { status, body, text } = await ingest(running, note)
    assert.equal(status, 200, text)
    assert.equal(((await detailOf(running, body))['ingestion'] as { local: boolean }).local, true)
    assert.equal((await ingest(running, [speech()])).status, 422)
  })
})

describe('DELETE /ingest/{task}', () => {
  test('cancels the jobs of the task that have not completed', async (t) => {
    const running = await startRunning(t)
    const first = await createJob(running, { ingestion_task_id: 'talk' })
    const { job_id: second } = await claimedJobOf(running, 'other')
    const third = await createJob(running, { ingestion_task_id: 'talk' })
    const { status, body } = await running.ask('DELETE', '/ingest/talk')
    assert.equal(status, 200)
    const message = 'Task talk is cancelled.'
    assert.deepEqual(body, { task_id: 'talk', status: 'cancelled', message, job_id: third })
    for (const [jobId, expected] of [
      [first, 'cancelled'],
      [second, 'processing'],
      [third, 'cancelled'],
    ] as const)
      assert.equal((await running.ask('GET', `/remote-jobs/${jobId}`)).body['status'], expected)
    assert.equal((await running.ask('DELETE', '/ingest/talk')).status, 200, 'again')
    assert.equal((await running.ask('GET', '/status/talk')).body['state'], 'cancelled')
  })

  test('says that one is not there, or has completed', async (t) => {
    const running = await startRunning(t)
    const unknown = await running.ask('DELETE', '/ingest/nobody')
    assert.equal(unknown.status, 404)
    assert.match(String(unknown.body['detail']), /^There is no task nobody\.$/)
    await createJob(running, { ingestion_task_id: 'done' })
    await finish(running)
    assert.equal((await running.ask('DELETE', '/ingest/done')).status, 409)
  })

  test('of a task of the MoRAG server goes there', async (t) => {
    const morag = await moragServer(t)
    const running = await startRunning(t, { ingestion: { ...NO_INGESTION, moragUrl: morag.url } })
    assert.equal((await running.ask('DELETE', '/ingest/of-theirs')).status, 218)
    assert.deepEqual(
      morag.came.map(({ method, url }) => `${method} ${url}`),
      ['DELETE /api/v1/ingest/of-theirs'],
    )
  })
})

async function claimedJobOf(running: Running, task: string) {
  return await claimedJob(running, { ingestion_task_id: task, content_type: 'video' })
}

/** A worker does the next job; what the job's status is then. */
async function finish(running: Running): Promise<unknown> {
  const [job] = await claim(running)
  const json = { success: true, content: 'Hello.', lease_token: job!.lease_token }
  const { body } = await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, { json })
  return body['status']
}
