import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { pino } from 'pino'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { createApp } from '../../coordinator/app.ts'
import { assemble } from '../../coordinator/assemble.ts'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import { openApiDocument, OPERATIONS, routesOf } from '../../coordinator/openapi/document.ts'
import type { Operation } from '../../coordinator/openapi/operation.ts'
import { FileJobStore } from '../../coordinator/storage/store.ts'
import { listenTo } from './event-stream.ts'
import {
  claim,
  claimedJob,
  configOver,
  createJob,
  startRunning,
  NO_INGESTION,
  type Asked,
  type Claimed,
  type Running,
} from './running.ts'

/** `METHOD /path` of all that answers. */
async function routesOfApp(t: TestContext): Promise<string[]> {
  const root = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  const config = configOver(root, { mediaRoots: [] })
  const store = await FileJobStore.open({
    dir: config.dataDir,
    now: Date.now,
    journalBytes: 1e9,
    onError: () => undefined,
  })
  const log = pino({ enabled: false })
  const services = await assemble(config, log, store, await MediaRoots.resolve([]))
  t.after(async () => {
    services.claims.close()
    services.events.close()
    services.metrics.close()
    await store.close()
    rmSync(root, { recursive: true, force: true })
  })
  const { routes } = createApp(services)
  return routes.filter(({ method }) => method !== 'ALL').map((one) => `${one.method} ${one.path}`)
}

describe('the OpenAPI document', () => {
  it('is one', async () => {
    const found = await new Validator().validate({ ...openApiDocument() })
    assert.deepEqual(found, { valid: true })
  })

  it('has every route of the app, and no other', async (t) => {
    const documented = OPERATIONS.flatMap((one) =>
      routesOf(one).map((route) => `${one.method} ${route}`),
    )
    const hint = 'a route of the app and its operation in coordinator/openapi/ come together'
    assert.deepEqual([...new Set(documented)].sort(), documented.sort(), 'told of twice')
    assert.deepEqual(documented, [...new Set(await routesOfApp(t))].sort(), hint)
  })

  it('tells who may use a route', () => {
    const { paths } = openApiDocument()
    assert.deepEqual(paths['/api/v1/workers']?.['get']?.['x-roles'], ['read', 'admin'])
    assert.deepEqual(paths['/health']?.['get']?.['security'], [])
    assert.deepEqual(paths['/api/v1/remote-jobs/{id}/retry']?.['post']?.['x-roles'], ['admin'])
  })

  it('tells where another token may go by the worker id', () => {
    const told = OPERATIONS.filter(({ errors }) => errors?.includes('worker_id_taken'))
    assert.deepEqual(
      told.map(({ id }) => id),
      ['claimJobs', 'pollJobs', 'heartbeat'],
    )
    const { responses } = openApiDocument().paths['/api/v1/remote-jobs/claim']!['post'] as {
      responses: Record<string, { description: string }>
    }
    assert.match(responses['503']!.description, /`worker_id_taken`/)
  })

  it('has what a request may hold from the schema that checks it', () => {
    const { components } = openApiDocument()
    const { properties, required } = components.schemas['Claim'] as {
      properties: Record<string, unknown>
      required: string[]
    }
    assert.deepEqual(required, ['worker_id', 'content_types', 'claim_id'])
    assert.deepEqual(properties['wait_seconds'], {
      anyOf: [{ type: 'number', minimum: 0, maximum: 60 }, { type: 'null' }],
    })
  })
})

/** Checks what came against a form of the document; a key that the document does not have is a fault here. */
function checker(): (name: string, value: unknown) => void {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ },
  })
  ajv.addSchema(closed(openApiDocument()) as object, 'document')
  return (name, value) => {
    const validate = ajv.compile({ $ref: `document#/components/schemas/${name}` })
    assert.ok(
      validate(value),
      `${name}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`,
    )
  }
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, closed(one)]))
  const isForm = copy['type'] === 'object' && copy['properties'] !== undefined
  return isForm ? { additionalProperties: false, ...copy } : copy
}

describe('the answers of a running coordinator', () => {
  it('are as the document says, of every route', async (t) => {
    const ingestion = { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] }
    const running = await startRunning(t, { ingestion })
    const check = checker()
    const left = new Map<string, Operation>(OPERATIONS.map((one) => [one.id, one]))

    /** Makes a request and holds what comes against the operation. */
    async function call(
      id: string,
      route: string,
      asked?: Asked,
    ): Promise<Record<string, unknown>> {
      const operation = OPERATIONS.find((one) => one.id === id)
      assert.ok(operation !== undefined, id)
      left.delete(id)
      const found = await running.ask(operation.method, route, asked)
      assert.equal(found.status, 200, `${id}: ${found.text}`)
      if (typeof operation.answer === 'string') check(operation.answer, found.body)
      else {
        const type = found.headers.get('content-type')?.split(';')[0] ?? ''
        assert.ok(operation.answer.includes(type), `${id}: ${type}`)
      }
      return found.body
    }

    const json = {
      source_file_path: running.file('talk.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task-1',
      task_options: { requires: null, webhook_url: 'http://127.0.0.1:9/nobody' },
    }
    const created = await call('createJob', '/remote-jobs/', { json })
    const jobId = String(created['job_id'])
    const { jobs } = await call('claimJobs', '/remote-jobs/claim', {
      json: { worker_id: 'w1', content_types: ['audio'], claim_id: 'c1' },
    })
    const { lease_token } = (jobs as Claimed[])[0]!
    const headers = { 'morag-lease': lease_token }
    await call('heartbeat', '/workers/w1/heartbeat', {
      json: {
        state: 'running',
        version: '1',
        slots: 2,
        device: 'cpu',
        capabilities: { engines: ['x'], models: ['y'], languages: null, features: ['words'] },
        devices: [{ index: 0, name: 'GPU', memory_mb: 1, driver: null, kind: 'cuda' }],
        paused: [{ slot: 1, reason: 'hot', until: null }],
        jobs: [{ job_id: jobId, lease_token, stage: 'transcribing', progress: 0.5 }],
      },
    })
    await call('getJob', `/remote-jobs/${jobId}`)
    await call('getJobStatus', `/remote-jobs/${jobId}/status`)
    await call('listWorkers', '/workers')
    await call('listJobs', '/remote-jobs/?limit=1')
    await call('downloadSource', `/remote-jobs/${jobId}/download`, { headers })
    await call('putArtifact', `/remote-jobs/${jobId}/artifacts/a.bin`, { headers, raw: 'bytes' })
    await call('getSource', `/remote-jobs/${jobId}/source`)
    await call('listArtifacts', `/remote-jobs/${jobId}/artifacts`)
    await call('getArtifact', `/remote-jobs/${jobId}/artifacts/a.bin`)
    const metadata = { duration: 3, segments: [{ start: 0, end: 3, text: 'Hello.' }] }
    const result = { success: true, content: 'Hello.', metadata, lease_token }
    await call('putResult', `/remote-jobs/${jobId}/result`, { json: result })
    check('Job', (await running.ask('GET', `/remote-jobs/${jobId}`)).body)
    await call('getTranscript', `/remote-jobs/${jobId}/result`)
    for (const form of ['md', 'json', 'srt', 'vtt', 'txt'])
      await call('getTranscriptFile', `/remote-jobs/${jobId}/result.${form}`)
    await call('getTask', '/status/task-1')
    await call('retryContinuation', `/remote-jobs/${jobId}/continuation/retry`)
    await call('removeJob', `/remote-jobs/${jobId}`)

    const released = await claimedJob(running)
    await call('releaseJob', `/remote-jobs/${released.job_id}/release`, {
      json: { lease_token: released.lease_token },
    })
    await call('reassignJob', `/remote-jobs/${released.job_id}/reassign`, {
      json: { worker_id: 'w2' },
    })
    await call('cancelJob', `/remote-jobs/${released.job_id}/cancel`)
    await call('retryJob', `/remote-jobs/${released.job_id}/retry`)
    await call('pollJobs', '/remote-jobs/poll?worker_id=old&content_types=audio&max_jobs=2')
    await call('pollJobs', '/remote-jobs/poll?worker_id=old&content_types=audio')
    await call('drainWorker', '/workers/w1/drain')
    await call('resumeWorker', '/workers/w1/resume')
    await call('removeWorker', '/workers/w1')
    await call('cleanup', '/remote-jobs/cleanup')
    const form = await formOf({ metadata: { remote: true }, content_type: 'audio' })
    const processed = await call('process', '/process', form)
    check('Job', (await running.ask('GET', `/remote-jobs/${String(processed['job_id'])}`)).body)
    const older = await formOf({ remote: true, source_type: 'audio' })
    const { task_id: taskId } = await call('ingestFile', '/ingest/file', older)
    await call('cancelTask', `/ingest/${String(taskId)}`)
    for (const id of ['health', 'ready', 'metrics']) await call(id, `/${id}`)
    assert.deepEqual(
      await call('openapi', '/openapi.json'),
      JSON.parse(JSON.stringify(openApiDocument())),
    )
    const atRoot = ['/health', '/ready', '/metrics', '/openapi.json', '/docs']
    for (const route of [...atRoot, '/', '/dashboard/main.js'])
      assert.equal((await fetch(running.url + route)).status, 200, route)
    for (const id of ['docs', 'dashboard', 'dashboardFile']) left.delete(id)
    await call('signIn', '/session', { json: { token: 'anything: nobody is asked for one' } })
    await call('getSession', '/session')
    await call('signOut', '/session')
    await checkEvents(t, running, check)
    left.delete('events')
    // From here on a token is needed.
    const wish = { role: 'register', name: 'once', types: null, lifeMs: null } as const
    const { token } = await new Tokens(running.dataDir, Date.now).create(wish)
    await call('registerWorker', '/workers/register', {
      json: { name: 'gpu-1' },
      headers: { authorization: `Bearer ${token}` },
    })
    const refused = await running.ask('GET', '/workers')
    assert.equal(refused.status, 401)
    check('Refusal', refused.body)
    // Only the MoRAG server is told its address: `versions.test.ts` has it call.
    left.delete('ingestionCallback')
    assert.deepEqual([...left.keys()], [], 'not called')
  })

  it('are refusals as the document says', async (t) => {
    const running = await startRunning(t)
    const check = checker()
    const jobId = await createJob(running)
    const refused: [number, string, string, Asked?][] = [
      [404, 'GET', '/remote-jobs/nobody'],
      [404, 'GET', '/nowhere'],
      [409, 'GET', `/remote-jobs/${jobId}/result`],
      [422, 'POST', '/remote-jobs/claim', { json: { content_types: [] } }],
      [422, 'POST', '/remote-jobs/claim', { raw: '{' }],
      [400, 'POST', '/process', { raw: 'x' }],
      [409, 'PUT', `/remote-jobs/${jobId}/result`, { json: { success: true } }],
    ]
    for (const [status, method, route, asked] of refused) {
      const found = await running.ask(method, route, asked)
      assert.equal(found.status, status, `${method} ${route}: ${found.text}`)
      check('Refusal', found.body)
    }
  })
})

/** A form as it is sent, with a file in it. */
async function formOf(requestData: object): Promise<Asked> {
  const form = new FormData()
  form.set('request_data', JSON.stringify(requestData))
  form.set('file', new Blob(['speech']), 'talk.mp3')
  const sent = new Response(form)
  return {
    raw: new Uint8Array(await sent.arrayBuffer()),
    headers: { 'content-type': sent.headers.get('content-type')! },
  }
}

async function checkEvents(
  t: TestContext,
  running: Running,
  check: (name: string, value: unknown) => void,
): Promise<void> {
  const forms = OPERATIONS.find(({ id }) => id === 'events')!.events!
  const stream = await listenTo(t, `${running.url}/api/v1/events`)
  await stream.next(() => true)
  const jobId = await createJob(running, { content_type: 'video' })
  await claim(running, { worker_id: 'w3', content_types: ['video'] })
  for (const event of Object.keys(forms)) await stream.next((told) => told.event === event)
  await stream.next(({ data }) => data['job_id'] === jobId)
  for (const { event, data } of stream.events) check(forms[event] ?? event, data)
}

describe('the page of the API', () => {
  it('has every route and form in it, and needs nothing else', async (t) => {
    const running = await startRunning(t)
    const answer = await fetch(`${running.url}/docs`)
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=UTF-8')
    const page = await answer.text()
    const { paths, components } = openApiDocument()
    for (const [route, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods))
        assert.ok(page.includes(`<code>${method.toUpperCase()} ${route}</code>`), route)
    }
    for (const name of Object.keys(components.schemas))
      assert.ok(page.includes(`id="form-${name}"`), name)
    assert.doesNotMatch(page, /<script|<link rel="stylesheet"|undefined|\[object/)
    const sources = [...page.matchAll(/(?:src|href)="([^"#]*)"/g)].map(([, source]) => source)
    assert.deepEqual(
      sources.filter((source) => source !== ''),
      ['data:,', 'openapi.json'],
    )
    for (const [, target] of page.matchAll(/href="#([^"]*)"/g))
      assert.ok(page.includes(`id="${target}"`), target)
    const style = /<style>(.*?)<\/style>/s.exec(page)![1]!
    const hash = createHash('sha256').update(style).digest('base64')
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.ok(policy.includes(`style-src 'sha256-${hash}'`), policy)
  })
})
