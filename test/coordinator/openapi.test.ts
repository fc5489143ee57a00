import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { execa } from 'execa'
import type { RouterRoute } from 'hono/types'
import { describedRoutes, type DescribedRoute } from '../../coordinator/openapi/describe-route.ts'
import { openApiDocument, type OpenApi } from '../../coordinator/openapi/document.ts'
import type { Schema } from '../../coordinator/openapi/schemas.ts'
import { ENDINGS } from '../../shared/forms.ts'
import { API } from '../../shared/wire.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { appRoutes } from './app-routes.ts'
import { listenTo } from './event-stream.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  NO_INGESTION,
  type Asked,
  type Claimed,
  type Running,
} from './running.ts'

const nameOf = ({ method, path }: Pick<RouterRoute, 'method' | 'path'>): string =>
  `${method} ${path}`

describe('the OpenAPI document', () => {
  let routes: readonly RouterRoute[]
  let document: OpenApi
  before(async () => {
    routes = await appRoutes()
    document = openApiDocument(routes)
  })

  it('has every route of the app, once', () => {
    const documented = describedRoutes(routes).map(nameOf)
    const registered = routes.filter(({ method }) => method !== 'ALL').map(nameOf)
    assert.deepEqual([...new Set(documented)].sort(), documented.sort(), 'described twice')
    const hint = 'a route begins with describeRoute({…})'
    assert.deepEqual(documented, [...new Set(registered)].sort(), hint)
    const shown = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    assert.deepEqual(
      shown.sort(),
      describedRoutes(routes)
        .map(({ method, template }) => `${method} ${template}`)
        .sort(),
    )
  })

  it('passes the recommended rules of Redocly', async () => {
    const file = path.join(tempFolder(), 'openapi.json')
    await writeFile(file, JSON.stringify(document))
    const { stdout } = await execa(
      'redocly',
      ['lint', '--extends=recommended', '--format=json', file],
      {
        preferLocal: true,
        localDir: import.meta.dirname,
        env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
        reject: false,
      },
    )
    const { problems } = JSON.parse(stdout) as {
      problems: { ruleId: string; message: string; location: { pointer: string }[] }[]
    }
    const found = problems.map(({ ruleId, location }) => `${ruleId} ${location[0]?.pointer}`)
    // The linter does not read `x-events`.
    const unread = ['SnapshotEvent', 'JobEvent', 'WorkerEvent', 'TextEvent'].map(
      (name) => `no-unused-components #/components/schemas/${name}`,
    )
    assert.deepEqual(found.sort(), unread.sort())
  })

  it('tells who may use a route', () => {
    const { paths } = document
    assert.deepEqual(paths['/api/v1/workers']?.['get']?.['x-roles'], ['read', 'admin'])
    assert.deepEqual(paths['/health']?.['get']?.['security'], [])
    assert.deepEqual(paths['/api/v1/remote-jobs/{id}/retry']?.['post']?.['x-roles'], ['admin'])
  })

  it('tells where another token may go by the worker id', () => {
    const found = describedRoutes(routes)
      .filter(({ operation }) => operation.errors?.includes('worker_id_taken'))
      .map(({ operation }) => operation.id)
    assert.deepEqual(found.sort(), ['claimJobs', 'heartbeat', 'pollJobs'])
    const { responses } = document.paths['/api/v1/remote-jobs/claim']!['post'] as {
      responses: Record<string, { description: string }>
    }
    assert.match(responses['503']!.description, /`worker_id_taken`/)
  })

  it('has what a request may hold from the schema that checks it', () => {
    const { properties, required } = document.components.schemas['Claim'] as {
      properties: Record<string, unknown>
      required: string[]
    }
    assert.deepEqual(required, ['worker_id', 'content_types', 'claim_id'])
    assert.deepEqual(properties['wait_seconds'], {
      anyOf: [{ type: 'number', minimum: 0, maximum: 60 }, { type: 'null' }],
    })
  })
})

/** Checks an answer against a schema of the document; a key that the document does not have is a fault here. */
function checker(document: OpenApi): (schema: Schema, value: unknown) => void {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ },
  })
  ajv.addSchema(closed(document) as object, 'document')
  return (schema, value) => {
    const name = String(schema['$ref'])
    const validate = ajv.compile({ $ref: `document${name}` })
    assert.ok(
      validate(value),
      `${name}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`,
    )
  }
}

const named = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

/** What the document says of an answer: its schema, or its media types. */
function answerOf(document: OpenApi, { method, template }: DescribedRoute): Record<string, Schema> {
  const item = document.paths[template]?.[method.toLowerCase()]
  const { responses } = item as { responses: Record<string, { content: Record<string, Schema> }> }
  return responses['200']!.content
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
    const routes = describedRoutes(await appRoutes())
    const document = await documentOf(running)
    const check = checker(document)
    const left = new Set(routes.map(({ operation }) => operation.id))

    /** Makes a request and holds what comes against the operation. */
    async function call(
      id: string,
      route: string,
      asked?: Asked,
    ): Promise<Record<string, unknown>> {
      const described = routes.find(
        ({ operation, path }) => operation.id === id && path.startsWith(API),
      )
      assert.ok(described !== undefined, id)
      left.delete(id)
      const found = await running.ask(described.method, route, asked)
      assert.equal(found.status, 200, `${id}: ${found.text}`)
      const content = answerOf(document, described)
      const type = found.headers.get('content-type')?.split(';')[0] ?? ''
      assert.ok(type in content, `${id}: ${type}`)
      const { schema } = content[type]!
      if (schema !== undefined) check(schema as Schema, found.body)
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
    await call('getUsage', '/usage')
    await call('getUsage', '/usage?format=csv')
    await call('downloadSource', `/remote-jobs/${jobId}/download`, { headers })
    await call('putArtifact', `/remote-jobs/${jobId}/artifacts/a.bin`, { headers, raw: 'bytes' })
    await call('getSource', `/remote-jobs/${jobId}/source`)
    await call('listArtifacts', `/remote-jobs/${jobId}/artifacts`)
    await call('getArtifact', `/remote-jobs/${jobId}/artifacts/a.bin`)
    const metadata = { duration: 3, segments: [{ start: 0, end: 3, text: 'Hello.' }] }
    const result = { success: true, content: 'Hello.', metadata, lease_token }
    await call('putResult', `/remote-jobs/${jobId}/result`, { json: result })
    check(named('Job'), (await running.ask('GET', `/remote-jobs/${jobId}`)).body)
    await call('getTranscript', `/remote-jobs/${jobId}/result`)
    for (const form of Object.values(ENDINGS))
      await call('getTranscriptFile', `/remote-jobs/${jobId}/result.${form}`)
    await call('nameSpeakers', `/remote-jobs/${jobId}/speakers`, { json: {} })
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
    check(
      named('Job'),
      (await running.ask('GET', `/remote-jobs/${String(processed['job_id'])}`)).body,
    )
    const older = await formOf({ remote: true, source_type: 'audio' })
    const { task_id: taskId } = await call('ingestFile', '/ingest/file', older)
    await call('cancelTask', `/ingest/${String(taskId)}`)
    for (const id of ['health', 'live', 'ready', 'metrics']) await call(id, `/${id}`)
    assert.deepEqual(await call('openapi', '/openapi.json'), document)
    const atRoot = ['/health', '/live', '/ready', '/metrics', '/openapi.json', '/docs']
    for (const route of [...atRoot, '/', '/dashboard/main.js'])
      assert.equal((await fetch(running.url + route)).status, 200, route)
    for (const id of ['docs', 'dashboard', 'dashboardFile']) left.delete(id)
    await call('signIn', '/session', { json: { token: 'anything: nobody is asked for one' } })
    await call('getSession', '/session')
    await call('signOut', '/session')
    await checkEvents(t, running, document)
    left.delete('events')
    const models: unknown = await (await fetch(`${running.url}/v1/models`)).json()
    check(named('OpenAiModels'), models)
    const one: unknown = await (await fetch(`${running.url}/v1/models/whisper-1`)).json()
    check(named('OpenAiModel'), one)
    // The others of `/v1` and `/asr` wait for an agent: `speech-apis.test.ts` has one.
    const ofSpeech = routes.filter(({ operation }) => operation.tag === 'Speech')
    for (const { operation } of ofSpeech) left.delete(operation.id)
    // From here on a token is needed.
    const wish = { role: 'register', name: 'once', types: null, lifeMs: null } as const
    const { token } = await running.tokens.create(wish)
    await call('registerWorker', '/workers/register', {
      json: { name: 'gpu-1' },
      headers: { authorization: `Bearer ${token}` },
    })
    const refused = await running.ask('GET', '/workers')
    assert.equal(refused.status, 401)
    check(named('Refusal'), refused.body)
    // Only the MoRAG server is told its address: `versions.test.ts` has it call.
    left.delete('ingestionCallback')
    assert.deepEqual([...left], [], 'not called')
  })

  it('are refusals as the document says', async (t) => {
    const running = await startRunning(t)
    const check = checker(await documentOf(running))
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
      check(named('Refusal'), found.body)
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

async function documentOf(running: Running): Promise<OpenApi> {
  const answer = await fetch(`${running.url}/openapi.json`)
  return (await answer.json()) as OpenApi
}

async function checkEvents(t: TestContext, running: Running, document: OpenApi): Promise<void> {
  const check = checker(document)
  const forms = document.paths[`${API}/events`]!['get']!['x-events'] as Record<string, Schema>
  assert.deepEqual(Object.keys(forms), ['snapshot', 'job', 'worker', 'queue', 'text'])
  const stream = await listenTo(t, `${running.url}/api/v1/events`)
  await stream.next(() => true)
  const jobId = await createJob(running, { content_type: 'video' })
  const [job] = await claim(running, { worker_id: 'w3', content_types: ['video'] })
  const { lease_token } = job!
  const segments = [{ start: 0, end: 1, text: 'Hello.' }]
  const voices = [{ speech: [], doneUntil: 1 }]
  const checkpoint = { seconds: 3, decided: null, voices, segments }
  const beat = { job_id: jobId, lease_token, stage: 'transcribing', progress: 0.5, checkpoint }
  const json = { state: 'running', version: '1', slots: 1, jobs: [beat] }
  await running.ask('POST', '/workers/w3/heartbeat', { json })
  for (const event of Object.keys(forms)) await stream.next((told) => told.event === event)
  await stream.next(({ data }) => data['job_id'] === jobId)
  for (const { event, data } of stream.events) check(forms[event] ?? assert.fail(event), data)
}

describe('the page of the API', () => {
  it('lists every route, links the document, and needs nothing else', async (t) => {
    const running = await startRunning(t)
    const answer = await fetch(`${running.url}/docs`)
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=UTF-8')
    assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none';/)
    const page = await answer.text()
    for (const { method, template } of describedRoutes(await appRoutes()))
      assert.ok(page.includes(`<code>${method} ${template}</code>`), template)
    assert.doesNotMatch(page, /<script|<style|style=|undefined|\[object/)
    const sources = [...page.matchAll(/(?:src|href)="([^"#]*)"/g)].map(([, source]) => source)
    assert.deepEqual(sources, ['data:,', 'openapi.json'])
  })
})
