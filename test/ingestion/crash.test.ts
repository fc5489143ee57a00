import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { once, EventEmitter } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { KILLS, SEED } from '../shared/kills.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startMorag } from './morag.ts'
import type { Seen } from './morag-server.ts'
import { processForm, type Form } from './process-client.ts'
import { startReceiver, type Receiver } from './receiver.ts'

const CLIENTS = 8
const WORKERS = 2
/** How long one of the parts may hang before the test fails. */
const PATIENCE_MS = 60_000

/** Where an upload is, as its client, its worker and its receiver see it. */
const PHASES = [
  'uploading',
  'waiting',
  'processing',
  'result under way',
  'webhook under way',
] as const
type Phase = (typeof PHASES)[number]
/** What happens: an upload comes into a phase or goes on in it, its webhook or its text has come. */
const NEWS = [...PHASES, 'webhook come', 'text come'] as const
type News = (typeof NEWS)[number]
/** One for each kind of news at least. */
const ROUNDS = Math.max(KILLS, NEWS.length)

/** All that happens, seen from outside. */
class Course {
  readonly phases = new Map<Upload, Phase>()
  readonly #emitter = new EventEmitter().setMaxListeners(100)
  count = 0

  enter(upload: Upload, phase: Phase): void {
    this.phases.set(upload, phase)
    this.notify(phase)
  }

  notify(news: News): void {
    this.count += 1
    this.#emitter.emit('news', news)
  }

  /** The first news of that kind after so many others, and then so many more. */
  async moment(after: number, kind: News, more: number): Promise<void> {
    const from = this.count + after
    let left: number | null = null
    await new Promise<void>((resolve) => {
      const look = (news: News): void => {
        if (left === null && this.count > from && news === kind) left = more
        else if (left !== null) left -= 1
        if (left !== 0) return
        this.#emitter.off('news', look)
        resolve()
      }
      this.#emitter.on('news', look)
    })
  }
}

/** The coordinator as long as it lives, and the next one after it. */
class Lives {
  readonly #emitter = new EventEmitter().setMaxListeners(100)
  #url: string | null = null

  begin(url: string): void {
    this.#url = url
    this.#emitter.emit('begin')
  }

  end(): void {
    this.#url = null
  }

  /** Sends a request to the coordinator that lives, and again after a kill, until there is an answer. */
  async ask<T>(request: (url: string) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#url === null) await once(this.#emitter, 'begin')
      const url = this.#url!
      try {
        return await request(`${url}/api/v1`)
      } catch (error) {
        // What `fetch` throws when a connection is cut; only a kill may do that.
        if (!(error instanceof TypeError) || this.#url === url) throw error
      }
    }
  }
}

/** A file that a client wants to have processed, under a key of its own. */
class Upload {
  readonly key = randomUUID()
  readonly filename = `${this.key}.mp3`
  readonly text = `What is said in ${this.key}.`
  readonly sha256: string
  readonly form: Form
  /** What the coordinator has answered, if it has. */
  jobId: string | null = null
  readonly #emitter = new EventEmitter()
  isShown = false

  constructor(random: () => number, webhook: string) {
    const content = Buffer.alloc(Math.ceil(random() * 60_000), this.key)
    this.sha256 = createHash('sha256').update(content).digest('hex')
    const asked = {
      mode: 'ingest',
      source_type: 'file',
      content_type: 'audio',
      webhook_config: { url: webhook },
      metadata: { remote: true, of: this.key },
    }
    const file = { filename: this.filename, content }
    this.form = processForm(asked, file, random() < 0.5)
  }

  hasWebhook(): void {
    this.isShown = true
    this.#emitter.emit('webhook')
  }

  /** When its webhook has come for the first time. */
  async webhook(): Promise<void> {
    if (!this.isShown) await once(this.#emitter, 'webhook')
  }
}

interface Scene {
  course: Course
  lives: Lives
  receiver: Receiver
  random: () => number
  /** By filename. */
  uploads: Map<string, Upload>
  /** Clients begin nothing new. */
  isClosing: boolean
  /** Workers leave. */
  isOver: boolean
}

/** Uploads a file, waits for its webhook, and goes on with the next. */
async function beClient(scene: Scene): Promise<void> {
  const { course, lives, random, receiver, uploads } = scene
  while (!scene.isClosing) {
    const upload = new Upload(random, receiver.url)
    uploads.set(upload.filename, upload)
    await lives.ask(async (api) => await send(api, upload, course))
    if (!upload.isShown && course.phases.get(upload) === 'uploading')
      course.enter(upload, 'waiting')
    // Some have not understood the answer.
    if (random() < 0.2) await lives.ask(async (api) => await send(api, upload, null))
    await upload.webhook()
  }
}

/** Sends an upload piece by piece. The same key is the same job, however often. */
async function send(api: string, upload: Upload, course: Course | null): Promise<void> {
  const { headers, body } = upload.form
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const size = Math.ceil(body.length / 3)
    for (let at = 0; at < body.length; at += size) {
      if (course !== null) course.enter(upload, 'uploading')
      yield body.subarray(at, at + size)
      // Lets the others go on in the middle of it.
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    }
  }
  const answer = await fetch(`${api}/process`, {
    method: 'POST',
    headers: { ...headers, 'idempotency-key': upload.key, 'content-length': String(body.length) },
    body: pieces(),
    duplex: 'half',
  })
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  const { job_id: jobId } = JSON.parse(text) as { job_id: string }
  assert.equal(jobId, upload.jobId ?? jobId, `${upload.key} has made two jobs`)
  upload.jobId = jobId
}

interface ClaimedJob {
  job_id: string
  lease_token: string
  source: { url: string; filename: string }
}

/** Claims, fetches and hands results in. */
async function beWorker(scene: Scene, workerId: string): Promise<void> {
  const { course, lives, uploads } = scene
  while (!scene.isOver) {
    const claim = { worker_id: workerId, content_types: ['audio'], claim_id: randomUUID() }
    const { jobs } = await lives.ask(
      async (api) =>
        (await json(`${api}/remote-jobs/claim`, 'POST', {
          ...claim,
          max_jobs: 2,
          wait_seconds: 60,
        })) as { jobs: ClaimedJob[] },
    )
    for (const { job_id: jobId, lease_token, source } of jobs) {
      const upload = uploads.get(source.filename)!
      course.enter(upload, 'processing')
      await lives.ask(async (api) => {
        const url = new URL(source.url, api)
        const answer = await fetch(url, { headers: { 'morag-lease': lease_token } })
        const bytes = Buffer.from(await answer.arrayBuffer())
        assert.equal(answer.status, 200, bytes.toString())
        assert.equal(createHash('sha256').update(bytes).digest('hex'), upload.sha256)
      })
      const result = { success: true, content: upload.text, metadata: {}, lease_token }
      await lives.ask(async (api) => {
        course.enter(upload, 'result under way')
        await json(`${api}/remote-jobs/${jobId}/result`, 'PUT', result)
      })
      if (!upload.isShown) course.enter(upload, 'webhook under way')
    }
  }
}

async function json(url: string, method: string, body: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(url, { method, headers, body: JSON.stringify(body) })
  const text = await answer.text()
  assert.equal(answer.status, 200, text)
  return JSON.parse(text)
}

async function beReceiver({ course, receiver, uploads }: Scene): Promise<never> {
  for (let number = 0; ; number += 1) {
    const { body } = await receiver.delivery(number)
    const { content } = body['result'] as { content: string }
    const upload = [...uploads.values()].find(({ text }) => text === content)
    assert.ok(upload, `a webhook says '${content}', which no worker has`)
    course.phases.delete(upload)
    course.notify('webhook come')
    upload.hasWebhook()
  }
}

interface Detail {
  job_id: string
  status: string
  continuation: { id: string; steps: { step: string; state: string }[] }
}

/** Every job there is, once all that follows it is done. */
async function settled(url: string): Promise<Map<string, Detail>> {
  const api = `${url}/api/v1/remote-jobs`
  const found = new Map<string, Detail>()
  for (let cursor: string | null = ''; cursor !== null;) {
    const from = cursor === '' ? '' : `&cursor=${cursor}`
    const page = (await (await fetch(`${api}/?limit=100${from}`)).json()) as {
      jobs: { job_id: string }[]
      next_cursor: string | null
    }
    for (const { job_id: jobId } of page.jobs) {
      let detail: Detail
      do {
        detail = (await (await fetch(`${api}/${jobId}`)).json()) as Detail
        assert.equal(detail.status, 'completed')
      } while (detail.continuation.steps.some(({ state }) => state !== 'done'))
      found.set(jobId, detail)
    }
    cursor = page.next_cursor
  }
  return found
}

/** Lists by what they are of. */
function groups<T>(all: readonly T[], of: (one: T) => unknown): Map<unknown, T[]> {
  const found = new Map<unknown, T[]>()
  for (const one of all) found.set(of(one), [...(found.get(of(one)) ?? []), one])
  return found
}

function keyOf({ rawHeaders }: Seen): string | undefined {
  const at = rawHeaders.findIndex((name) => name.toLowerCase() === 'idempotency-key')
  return rawHeaders[at + 1]
}

test(`a coordinator killed ${ROUNDS} times between upload and webhook delivers the webhook of every upload it has taken, under one id, and has its text ingested once (seed ${SEED})`, async (t) => {
  const folder = tempFolder()
  const dataDir = path.join(folder, 'data')
  const morag = await startMorag(t, folder)
  const args = ['--morag-url', morag.url, '--webhook-allow', '127.0.0.1']
  const scene: Scene = {
    course: new Course(),
    lives: new Lives(),
    receiver: await startReceiver(t),
    random: seededRandom(SEED),
    uploads: new Map(),
    isClosing: false,
    isOver: false,
  }
  const { course, lives, receiver, uploads } = scene
  morag.onRequest(() => course.notify('text come'))
  const clients = Promise.all(Array.from({ length: CLIENTS }, async () => await beClient(scene)))
  const workers = Promise.all(
    Array.from({ length: WORKERS }, async (_, i) => await beWorker(scene, `worker-${i}`)),
  )
  const broken = Promise.all([clients, workers, beReceiver(scene)])
  const unbroken = async <T>(what: Promise<T>): Promise<T> => {
    const hangs = new AbortController()
    const late = delay(PATIENCE_MS, null, { signal: hangs.signal }).then(() => {
      throw new Error(`nothing moves: ${[...course.phases.values()].join(', ')}`)
    })
    try {
      return (await Promise.race([what, broken, late])) as T
    } finally {
      hangs.abort()
      late.catch(() => undefined)
    }
  }
  let running: RunningCoordinator | null = null
  t.after(() => running?.signal('SIGKILL'))
  const live = async (): Promise<RunningCoordinator> => {
    running = await startCoordinator(dataDir, folder, { args })
    lives.begin(running.url)
    return running
  }

  const random = seededRandom(SEED + 1)
  const hit = new Map<Phase, number>(PHASES.map((phase) => [phase, 0]))
  for (let round = 0; round < ROUNDS; round += 1) {
    const kind = NEWS[round % NEWS.length]!
    // At first the very moment, later anywhere around it.
    const more = round < NEWS.length ? 0 : Math.floor(random() * 5)
    const moment = course.moment(Math.floor(random() * 100), kind, more)
    const coordinator = await live()
    await unbroken(moment)
    coordinator.signal('SIGKILL')
    lives.end()
    for (const phase of new Set(course.phases.values())) hit.set(phase, hit.get(phase)! + 1)
    await coordinator.ended
  }

  scene.isClosing = true
  const last = await live()
  await unbroken(clients)
  const jobs = await unbroken(settled(last.url))
  scene.isOver = true
  last.signal('SIGTERM')
  assert.deepEqual(await last.ended, { exitCode: 0, signal: undefined })
  await unbroken(workers)

  assert.equal(jobs.size, uploads.size)
  assert.deepEqual(new Set(jobs.keys()), new Set([...uploads.values()].map(({ jobId }) => jobId)))
  const secret = readFileSync(path.join(dataDir, 'webhook-secret'), 'utf8').trim()
  const deliveries = groups(receiver.deliveries, ({ body }) => body['task_id'])
  const ingestions = groups(
    morag.seen().filter(({ outcome }) => outcome !== 'status'),
    ({ form }) => form?.requestData['document_id'],
  )
  assert.deepEqual([deliveries.size, ingestions.size], [jobs.size, jobs.size])
  for (const { jobId, text } of uploads.values()) {
    const { id } = jobs.get(jobId!)!.continuation
    for (const { headers, raw } of deliveries.get(jobId)!) {
      assert.equal(headers['webhook-id'], id)
      new Webhook(secret).verify(raw, headers as Record<string, string>)
    }
    const [first, ...again] = ingestions.get(jobId)!
    assert.deepEqual([first!.outcome, first!.form?.text], ['ingested', text])
    for (const { outcome } of again) assert.equal(outcome, 'repeated')
    for (const seen of [first!, ...again]) assert.equal(keyOf(seen), id)
  }
  assert.deepEqual(readdirSync(path.join(dataDir, 'sources', '.incoming')), [])
  t.diagnostic(
    `killed ${[...hit].map(([phase, count]) => `${count} times while ${phase}`).join(', ')}`,
  )
  t.diagnostic(
    `${jobs.size} jobs, ${receiver.deliveries.length} deliveries, ${morag.seen().length} ingestions`,
  )
  for (const [phase, count] of hit) assert.ok(count > 0, phase)
})
