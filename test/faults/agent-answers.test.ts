import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { after, before, describe, it, test, type TestContext } from 'node:test'
import { claim } from '../../agent/client/claim.ts'
import { Contact } from '../../agent/client/contact.ts'
import { deliver } from '../../agent/client/delivery.ts'
import { download } from '../../agent/client/download.ts'
import { Heartbeat } from '../../agent/client/heartbeat.ts'
import { Outbox } from '../../agent/client/outbox.ts'
import { Refusal } from '../../shared/refusal.ts'
import { clientOf, json, startServer, type Seen } from '../agent/fake-server.ts'
import { newFolder } from '../agent/worker-scene.ts'
import { seededBytes } from '../shared/seeded-random.ts'
import { engineFlags } from './held-programs.ts'
import type { Passing, Said } from './proxy.ts'
import { makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'

const HTML = '<!doctype html><title>Sign in</title><p>Please accept the terms of this network.'

type Answer = (response: ServerResponse) => void
const page =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body)

/** What a coordinator never says, or says when it cannot. */
const BAD: Record<string, Answer> = {
  'a 500': (response) => json(response, 500, { detail: 'It broke.', code: 'internal' }),
  'a 502 of a proxy': page(502, HTML),
  'a 429': (response) => json(response, 429, { detail: 'Slower.' }, { 'retry-after': '0.05' }),
  'a page of somebody else': page(200, HTML),
  'half of an answer': page(200, '{"jobs": [{"job_id": "1", "att'),
  'wrong types': page(200, '{"jobs": 7, "heartbeat_seconds": "soon", "status": []}'),
  'a huge page': page(200, HTML.padEnd(16 * 1024 * 1024, ' ')),
  'no answer at all': () => {},
  'a cut': (response) => void response.destroy(),
}
/** The agent's patience where a coordinator says nothing. */
const PATIENCE = { timeoutMs: 200, retries: 20 }
const signal = new AbortController().signal

/** A server that answers each request with one of the bad answers after the other, and then as it should. */
async function badThenGood(t: TestContext, good: (seen: Seen, response: ServerResponse) => void) {
  const bad = Object.values(BAD)
  const server = await startServer(t, (seen, response) => {
    const answer = bad[server.seen.length - 1]
    if (answer === undefined) good(seen, response)
    else answer(response)
  })
  return { server, client: clientOf(t, server.url, PATIENCE), tries: bad.length + 1 }
}

describe(`an agent that meets ${Object.keys(BAD).join(', ')}`, () => {
  it('on its claim asks on, with the same claim id, and says that it waits', async (t) => {
    const { server, client, tries } = await badThenGood(t, (_, response) =>
      json(response, 200, { jobs: [], retry_after_seconds: 3 }),
    )
    const told: string[] = []
    let returns = 0
    const contact = new Contact({ event: (_, text) => void told.push(text) })
    contact.onReturn = () => (returns += 1)
    const request = {
      workerId: 'w',
      contentTypes: ['audio'],
      maxJobs: 1,
      waitSeconds: 0,
      claimId: 'c',
    }
    const onFailure = (error: unknown): void => contact.note('claim', error)
    const patient = { signal, retries: Infinity, onFailure }
    assert.deepEqual(await claim(client, request, patient), { jobs: [], retryAfterSeconds: 3 })
    contact.note('claim', null)
    assert.equal(returns, 1)
    assert.equal(server.seen.length, tries)
    assert.equal(new Set(server.seen.map(({ body }) => body)).size, 1)
    assert.equal(told.length, 3)
    assert.equal(told[0], 'It broke. Trying again until it is back.')
    assert.match(told[1]!, /something else answered 502 Bad Gateway \("Sign in"\)/)
    assert.equal(told[2], 'The coordinator is back.')
  })

  it('on its heartbeat goes on working, and sends the next', async (t) => {
    const { server, client, tries } = await badThenGood(t, (_, response) =>
      json(response, 200, { directive: 'drain', heartbeat_seconds: 60, jobs: [] }),
    )
    const errors: unknown[] = []
    const job = new AbortController()
    await new Promise<void>((resolve) => {
      const heartbeat = new Heartbeat({
        client,
        workerId: 'w',
        version: '1',
        slots: 1,
        device: null,
        onContact: (error) => error !== null && errors.push(error),
        wait: () => new Promise(setImmediate),
      })
      heartbeat.track({ jobId: 'j', leaseToken: 'l', heartbeatSeconds: 1 }, job)
      heartbeat.start({ state: 'running', direct: () => resolve() })
      t.after(() => heartbeat.close())
    })
    assert.ok(server.seen.length >= tries)
    assert.equal(job.signal.aborted, false)
    assert.ok(errors.length >= 3)
  })

  it('on a download goes on, and writes nothing of it into the file', async (t) => {
    const bytes = seededBytes(1, 100_000)
    const { server, client } = await badThenGood(t, (_, response) =>
      response.writeHead(200, { etag: '"1"', 'content-length': bytes.length }).end(bytes),
    )
    const target = newTarget()
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const { connection } = client
    const source = { url: '/x', filename: 'x', sizeBytes: bytes.length, sha256, etag: '"1"' }
    const patience = { idleMs: PATIENCE.timeoutMs, retries: 19 }
    await download({ connection, source, leaseToken: 'l', target, signal, ...patience })
    assert.deepEqual(await readFile(target), bytes)
    assert.ok(server.seen.every(({ headers }) => headers.range === undefined))
  })

  it('on a result sends it until it is taken, the files before it', async (t) => {
    const { client, server } = await badThenGood(t, (_, response) =>
      json(response, 200, { status: 'completed', ingestion_continued: false, name: 'a.srt' }),
    )
    const folder = newTarget()
    const refused: unknown[] = []
    const outbox = await Outbox.open(folder, {
      deliver: (outgoing, files, given) =>
        deliver(client, outgoing, { folder: files, signal: given, onSkipped: never }),
      onRefused: (_, file) => refused.push(file),
      onFilesLost: never,
      onDelayed: () => {},
      retryMinMs: 1,
      retryMaxMs: 2,
    })
    t.after(() => outbox.close())
    const result = { success: true, content: '# Talk', leaseToken: 'l' }
    const files = newFolder()
    await mkdir(files)
    await writeFile(path.join(files, 'a.srt'), 'subtitles')
    const outgoing = { jobId: 'j', attempt: 1, result, artifacts: ['a.srt'] }
    const { outcome: delivery } = await outbox.put(outgoing, files)
    assert.equal(await delivery, 'delivered')
    assert.deepEqual([refused, await readdir(folder)], [[], ['refused']])
    const [last, lastFile, ...before] = server.seen.toReversed()
    assert.match(last!.url, /\/result$/)
    assert.deepEqual([lastFile!.body, before.length], ['subtitles', Object.keys(BAD).length])
  })

  it('waits with a result as long as Retry-After says, also when the coordinator answers else', async (t) => {
    const tries: number[] = []
    const outbox = await Outbox.open(newTarget(), {
      deliver: () => {
        tries.push(performance.now())
        const busy = new Refusal(429, 'too_many_requests', 'Slower.', { retryAfterSeconds: 0.3 })
        return tries.length === 1 ? Promise.reject(busy) : Promise.resolve()
      },
      onRefused: never,
      onFilesLost: never,
      // The next heartbeat goes well.
      onDelayed: () => setImmediate(() => outbox.nudge()),
      retryMinMs: 1,
    })
    t.after(() => outbox.close())
    const { outcome: delivery } = await outbox.put({
      jobId: 'j',
      attempt: 1,
      result: { success: true },
      artifacts: [],
    })
    assert.equal(await delivery, 'delivered')
    assert.ok(tries[1]! - tries[0]! >= 295, `came again after ${tries[1]! - tries[0]!} ms`)
  })
})

function never(): never {
  throw new Error('not to be called')
}

const newTarget = (): string => `${newFolder()}.out`

describe('an agent', { skip, timeout: PATIENCE_MS }, () => {
  let scene: Scene
  before(async () => (scene = await Scene.open()))
  after(() => scene.close())

  test('outlives bad answers of every kind, waits as Retry-After says, and does its job', async () => {
    const lane = await scene.lane('answers')
    const slower: Said = { status: 429, headers: { 'retry-after': '1' }, body: 'Slower.' }
    const bad: Said[] = [{ status: 200, body: HTML }, slower]
    const kinds = ['claim', 'heartbeat', 'download', 'artifact', 'result'] as const
    const left = new Map<Passing['kind'], Said[]>(kinds.map((kind) => [kind, [...bad]]))
    lane.proxy.fate = ({ kind }) => {
      // What brings it its jobs is in its first heartbeat, and the next is not soon.
      const isFirst = kind === 'heartbeat' && lane.proxy.of(kind).length === 1
      const say = isFirst ? undefined : left.get(kind)?.shift()
      return say === undefined ? 'pass' : { say }
    }
    const agent = lane.agent([...(await engineFlags(scene.folder, 'e', { says: 'hello' }))])
    const jobId = await lane.upload(await makeRecording(scene.folder), { formats: ['srt'] })
    const { status, attempts } = await lane.ended(jobId)
    assert.deepEqual([status, attempts.length], ['completed', 1])
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
    assert.ok(agent.lines.some((line) => /is not JSON: is a MoRAG coordinator there/.test(line)))
    assert.ok(agent.lines.some((line) => /The coordinator is back/.test(line)))
    for (const kind of ['claim', 'download', 'artifact', 'result'] as const) {
      const [, told, next] = lane.proxy.of(kind)
      assert.ok(next!.at - told!.at >= 990, `${kind} came again after ${next!.at - told!.at} ms`)
    }
    const { artifacts } = (await (
      await fetch(`${scene.url}/api/v1/remote-jobs/${jobId}/artifacts`)
    ).json()) as { artifacts: { name: string }[] }
    assert.deepEqual(
      artifacts.map(({ name }) => name),
      ['transcript.srt'],
    )
    assert.deepEqual(await lane.files(), [])
  })
})
