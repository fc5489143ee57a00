import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { Estimates } from '../../coordinator/job/estimate.ts'
import { Events, type EventsOptions } from '../../coordinator/events/events.ts'
import { Batch } from '../../coordinator/events/batch.ts'
import { ChangeLog } from '../../coordinator/events/change-log.ts'
import { queueView } from '../../coordinator/events/queue-view.ts'
import { Reader } from '../../coordinator/events/reader.ts'
import { Tally } from '../../coordinator/job/tally.ts'
import { jobEvent, queueEvent, snapshotEvent, workerEvent } from '../../shared/wire-events.ts'
import { assembled, type Assembled } from './assembled.ts'
import { listenTo, type EventStream, type StreamEvent } from './event-stream.ts'
import { newJobId, pendingJob } from './example-jobs.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  until,
  type Claimed,
  type Running,
} from './running.ts'

const ofJob =
  (jobId: string, status?: string) =>
  ({ event, data }: StreamEvent): boolean =>
    event === 'job' &&
    data['job_id'] === jobId &&
    (status === undefined || data['status'] === status)

async function beat(
  running: Running,
  { job_id, lease_token }: Claimed,
  progress: number,
  different: object = {},
): Promise<void> {
  const { status, text } = await running.ask('POST', '/workers/w1/heartbeat', {
    json: {
      state: 'running',
      version: '1',
      slots: 1,
      jobs: [{ job_id, lease_token, stage: 'transcribing', progress, ...different }],
    },
  })
  assert.equal(status, 200, text)
}

const finish = async (running: Running, { job_id, lease_token }: Claimed): Promise<void> => {
  const json = { success: true, content: 'Hello.', lease_token }
  assert.equal((await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })).status, 200)
}

const streamOf = async (
  t: TestContext,
  running: Running,
  lastEventId?: string,
): Promise<EventStream> =>
  await listenTo(
    t,
    `${running.url}/api/v1/events`,
    lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  )

// Most of their time they wait for a second to pass.
describe('the event stream of a running coordinator', { concurrency: true }, () => {
  it('begins with all that a page needs for its lists', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running, { priority: 3 })
    await beat(running, job, 0.25, { media_seconds: 80, processed_seconds: 20 })
    const stream = await streamOf(t, running)
    assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal(stream.headers.get('cache-control'), 'no-store')
    const { event, data } = await stream.next(() => true)
    assert.equal(event, 'snapshot')
    const { jobs, workers, queue } = snapshotEvent.parse(data)
    assert.equal(jobs.length, 1)
    const [first] = jobs
    assert.equal(first?.filename, 'talk.mp3')
    assert.equal(first?.worker_id, 'w1')
    assert.equal(first?.stage, 'transcribing')
    assert.equal(first?.progress, 0.25)
    assert.equal(first?.media_seconds, 80)
    assert.equal(first?.processed_seconds, 20)
    assert.equal(first?.priority, 3)
    assert.deepEqual(
      workers[0]?.jobs.map(({ job_id, progress }) => ({ job_id, progress })),
      [{ job_id: job.job_id, progress: 0.25 }],
    )
    assert.equal(queue.counts.processing, 1)
    assert.equal(queue.types[0]?.content_type, 'audio')
    assert.equal(queue.types[0]?.workers, 1)
    assert.ok(queue.disk !== null && queue.disk.free_bytes > 0)
  })

  it('tells of a job from its making to its removal, and of the queue', async (t) => {
    const running = await startRunning(t)
    const stream = await streamOf(t, running)
    const jobId = await createJob(running)
    jobEvent.parse((await stream.next(ofJob(jobId, 'pending'))).data)
    const [job] = await claim(running)
    assert.equal((await stream.next(ofJob(jobId, 'processing'))).data['worker_id'], 'w1')
    await finish(running, job!)
    const done = await stream.next(ofJob(jobId, 'completed'))
    assert.notEqual(done.data['completed_at'], null)
    assert.equal((await running.ask('DELETE', `/remote-jobs/${jobId}`)).status, 200)
    const last = await stream.next(({ data }) => data['removed'] === true)
    assert.deepEqual(last.data, { job_id: jobId, removed: true })
    const isEmpty = ({ event, data }: StreamEvent): boolean =>
      event === 'queue' && queueEvent.parse(data).types.length === 0
    await stream.next(isEmpty)
  })

  it('tells of progress at most once a second, the latest included', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const stream = await streamOf(t, running)
    const beganAt = performance.now()
    for (let i = 1; i <= 40; i += 1) await beat(running, job, i / 100)
    await stream.next((told) => ofJob(job.job_id)(told) && told.data['progress'] === 0.4)
    const seconds = (performance.now() - beganAt) / 1_000
    const count = stream.events.filter(ofJob(job.job_id)).length
    // One at once for the claim, one at the first beat, and one for every second since.
    assert.ok(count <= 3 + seconds, `${count} in ${seconds} s`)
  })

  it('has a worker’s first request, and what it is ordered to do', async (t) => {
    const running = await startRunning(t)
    const stream = await streamOf(t, running)
    await beat(running, await claimedJob(running), 0.1)
    const isWorking = ({ event, data }: StreamEvent): boolean => {
      const jobs = data['jobs'] as object[] | undefined
      return event === 'worker' && data['state'] === 'running' && jobs?.length === 1
    }
    workerEvent.parse((await stream.next(isWorking)).data)
    const drained = await running.ask('POST', '/workers/w1/drain')
    assert.equal((drained.body['jobs'] as object[]).length, 1)
    await stream.next(({ event, data }) => event === 'worker' && data['directive'] === 'drain')
  })

  it('has for a client that comes back what was missed, each thing once, and nothing else', async (t) => {
    const running = await startRunning(t)
    const early = await createJob(running)
    const first = await streamOf(t, running)
    const { id } = await first.next(() => true)
    const [job] = await claim(running)
    await first.next(ofJob(early, 'processing'))
    await finish(running, job!)
    const other = await createJob(running)
    await first.next(ofJob(early, 'completed'))
    await first.next(ofJob(other))
    const again = await streamOf(t, running, id)
    await again.next(ofJob(early, 'completed'))
    await again.next(ofJob(other))
    assert.equal(again.events.filter(ofJob(early)).length, 1)
    assert.equal(again.events.filter(({ event }) => event === 'snapshot').length, 0)
  })

  it('begins anew for a client that comes with the event of an earlier process', async (t) => {
    const running = await startRunning(t)
    const { id } = await (await streamOf(t, running)).next(() => true)
    await running.stop()
    const restarted = await startRunning(t, { root: running.root })
    const again = await streamOf(t, restarted, id)
    assert.equal((await again.next(() => true)).event, 'snapshot')
  })

  it('tells a submitter of its own jobs alone', async (t) => {
    const running = await startRunning(t)
    const tokens = running.tokens
    const [mine, theirs] = await Promise.all(
      ['me', 'them'].map(async (name) => {
        const wish = { role: 'submit', name, types: null, lifeMs: null } as const
        return { authorization: `Bearer ${(await tokens.create(wish)).token}` }
      }),
    )
    const file = running.file('talk.mp3')
    const make = async (headers: Record<string, string>): Promise<string> => {
      const json = { source_file_path: file, content_type: 'audio', ingestion_task_id: 'task' }
      const { body, text } = await running.ask('POST', '/remote-jobs/', { json, headers })
      assert.ok(typeof body['job_id'] === 'string', text)
      return body['job_id']
    }
    const early = [await make(mine!), await make(theirs!)]
    const stream = await listenTo(t, `${running.url}/api/v1/events`, mine)
    const { jobs } = snapshotEvent.parse((await stream.next(() => true)).data)
    assert.deepEqual(
      jobs.map(({ job_id }) => job_id),
      [early[0]],
    )
    const late = [await make(theirs!), await make(mine!)]
    await stream.next(ofJob(late[1]!))
    assert.equal(stream.events.some(ofJob(late[0]!)), false)
    assert.equal((await listenTo(t, `${running.url}/api/v1/events`)).status, 401)
  })

  it('ends when the coordinator stops, which waits for no client', async (t) => {
    const running = await startRunning(t)
    const stream = await streamOf(t, running)
    await stream.next(() => true)
    const beganAt = performance.now()
    await running.stop()
    await stream.ended
    assert.ok(performance.now() - beganAt < 5_000)
  })
})

/** The streams over assembled services, on a server of their own. */
async function served(
  t: TestContext,
  limits: EventsOptions['limits'] = {},
  submittedBy?: string,
): Promise<{ all: Assembled; events: Events; url: string }> {
  const all = await assembled(t)
  const { jobs, workers, claims, views, dir: dataDir } = all
  const { checkpoints } = all.files
  const health = { detail: null }
  const estimates = new Estimates()
  const events = new Events({
    jobs,
    workers,
    claims,
    views,
    estimates,
    health,
    checkpoints,
    dataDir,
    limits,
  })
  jobs.subscribe(events)
  const server = createServer((request, answer) => {
    const last = request.headers['last-event-id']
    events
      .open(answer, typeof last === 'string' ? last : null, submittedBy)
      .catch((error: unknown) => {
        answer.writeHead(429).end(String(error))
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    events.close()
    server.closeAllConnections()
    server.close()
  })
  return { all, events, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('event streams', { concurrency: true }, () => {
  it('are limited in number', async (t) => {
    const { url, events } = await served(t, { streams: 2 })
    const first = await listenTo(t, url)
    await listenTo(t, url)
    assert.equal((await listenTo(t, url)).status, 429)
    first.stop()
    await first.ended
    while (events.size > 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await listenTo(t, url)).status, 200)
  })

  it('bring a comment where nothing happens', async (t) => {
    const { url } = await served(t, { pingMs: 10 })
    const stream = await listenTo(t, url)
    await stream.next(({ event }) => event === 'queue')
    assert.ok(stream.comments.length > 0)
  })

  it('show the jobs that one may see and nothing of others, also of those that are gone', async (t) => {
    const { url, all } = await served(t, {}, 'me')
    const mine = await all.add({ submittedBy: 'me' })
    const theirs = await all.add()
    all.workers.update('w1', { contentTypes: ['audio'] })
    const stream = await listenTo(t, url)
    const { id, data } = await stream.next(() => true)
    const { jobs, workers, queue } = snapshotEvent.parse(data)
    assert.deepEqual(
      jobs.map(({ job_id }) => job_id),
      [mine],
    )
    assert.deepEqual(workers, [])
    assert.equal(queue.counts.pending, 1)
    await all.jobs.remove(theirs, async () => 0)
    await all.jobs.remove(mine, async () => 0)
    await stream.next(({ data: { removed } }) => removed === true)
    await stream.next(
      ({ event, data: now }) => event === 'queue' && queueEvent.parse(now).counts.pending === 0,
    )
    const again = await listenTo(t, url, { 'last-event-id': id })
    await again.next(({ event }) => event === 'queue')
    for (const { events } of [stream, again]) {
      assert.equal(events.filter(({ event }) => event === 'worker').length, 0)
      assert.equal(JSON.stringify(events).includes(theirs), false)
      assert.equal(events.filter(ofJob(mine)).length, 1)
    }
  })

  it('begin anew when too much was missed', async (t) => {
    const { url, all } = await served(t, { changes: 2 })
    const first = await listenTo(t, url)
    const { id } = await first.next(() => true)
    for (let i = 0; i < 4; i += 1) await first.next(ofJob(await all.add()))
    const again = await listenTo(t, url, { 'last-event-id': id })
    assert.equal((await again.next(() => true)).event, 'snapshot')
  })

  it('tell again what a job waits for when a worker comes that has it', async (t) => {
    const { url, all } = await served(t)
    const jobId = await all.add({ taskOptions: { requires: { diarize: true } } })
    const stream = await listenTo(t, url)
    const { jobs } = snapshotEvent.parse((await stream.next(() => true)).data)
    assert.equal(jobs[0]?.waiting_for, 'a worker for audio that has diarize')
    const can = { engines: [], models: [], languages: null, features: ['diarize'] }
    all.workers.update('w1', { contentTypes: ['audio'], capabilities: can })
    await stream.next((told) => ofJob(jobId)(told) && told.data['waiting_for'] === null)
  })

  it('go on after a look that failed', async (t) => {
    const { url, all } = await served(t)
    const stream = await listenTo(t, url)
    await stream.next(({ event }) => event === 'snapshot')
    let looks = 0
    const failing = t.mock.method(all.jobs.reader, 'list', async () => {
      looks += 1
      throw new Error('no database')
    })
    const can = { engines: [], models: [], languages: null, features: ['diarize'] }
    all.workers.update('w1', { contentTypes: ['audio'], capabilities: can })
    await until(() => looks > 0)
    failing.mock.restore()
    const jobId = await all.add()
    await stream.next(ofJob(jobId))
  })

  it('are cut for a reader that takes nothing', async (t) => {
    let answer: ServerResponse | null = null
    const server = createServer((_, given) => (answer = given))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    t.after(() => {
      socket.destroy()
      server.close()
    })
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n')
    await once(server, 'request')
    const reader = new Reader(answer!, undefined, 1024 * 1024)
    const isCut = (): boolean => (answer as ServerResponse | null)!.destroyed
    let sent = 0
    for (; sent < 200 && !isCut(); sent += 1) {
      reader.send('x'.repeat(256 * 1024))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(isCut(), `not after ${sent} writes`)
    reader.send('nothing more is kept for it')
  })
})

describe('the log of changes', () => {
  it('has each thing once, as it changed last', () => {
    const log = new ChangeLog<number>(10)
    const start = log.id
    log.add('a', 1)
    const { id } = log.add('b', 2)
    log.add('a', 3)
    const keys = (since: string): unknown => log.since(since)?.map(({ key, note }) => [key, note])
    assert.deepEqual(keys(start), [
      ['b', 2],
      ['a', 3],
    ])
    assert.deepEqual(keys(id), [['a', 3]])
    assert.deepEqual(keys(log.id), [])
  })

  it('knows what it has forgotten', () => {
    const log = new ChangeLog<null>(2)
    const start = log.id
    const first = log.add('a', null)
    log.add('b', null)
    assert.equal(log.since(start)?.length, 2)
    log.add('c', null)
    assert.equal(log.since(start), null)
    assert.equal(log.since(first.id)?.length, 2)
  })

  it('knows no id that it has not given', () => {
    const log = new ChangeLog<null>(2)
    const process = log.id.split('.')[0]
    for (const id of ['', 'x', `${process}.`, `${process}.1`, `${process}.-1`, 'other.0'])
      assert.equal(log.since(id), null, id)
  })
})

describe('a batch', () => {
  it('hands on soon after a quiet time, then together', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let now = 5_000
    const pass = (ms: number): void => {
      now += ms
      t.mock.timers.tick(ms)
    }
    const handed: string[][] = []
    const batch = new Batch(
      1_000,
      () => now,
      (keys) => handed.push(keys),
    )
    batch.add('a')
    batch.add('a')
    pass(1)
    assert.deepEqual(handed, [['a']])
    batch.add('b')
    pass(400)
    batch.add('c')
    batch.add('d')
    batch.delete('d')
    pass(598)
    assert.equal(handed.length, 1)
    pass(2)
    assert.deepEqual(handed, [['a'], ['b', 'c']])
    batch.add('e')
    batch.close()
    pass(5_000)
    assert.equal(handed.length, 2)
  })
})

describe('the tally', () => {
  it('follows jobs through their states and forgets types that are not used', () => {
    const old = pendingJob({ availableAt: 1_000 })
    const job = pendingJob({ createdAt: 1_000, availableAt: 2_000 })
    const tally = new Tally([old, job])
    const running = { ...old, status: 'cancelled', completedAt: 5, continuation: null } as const
    tally.change(old, running)
    const [type] = tally.types()
    assert.equal(type?.counts.pending, 1)
    assert.equal(type?.counts.cancelled, 1)
    assert.equal(type?.oldestWaitingAt, 2_000)
    const later = { ...job, availableAt: 9_000 }
    tally.change(job, later)
    assert.equal([...tally.types()][0]?.oldestWaitingAt, 9_000)
    tally.change(later, null)
    tally.change(running, null)
    assert.deepEqual([...tally.types()], [])
  })

  it('names fifty types in the queue, those with most to do, and sums up the rest', async (t) => {
    const { workers } = await assembled(t)
    const jobs = Array.from({ length: 60 }, (_, i) =>
      pendingJob({ jobId: newJobId(), contentType: `type ${i}` }),
    )
    const tally = new Tally([...jobs, pendingJob({ contentType: 'type 59' })])
    const rest = { waitingClaims: 0, failure: null, disk: null }
    const { types, counts } = queueView(
      [...tally.types()],
      { workers, estimates: new Estimates() },
      rest,
    )
    assert.equal(types.length, 51)
    assert.equal(types[0]?.contentType, 'type 59')
    assert.equal(types[50]?.contentType, 'other')
    assert.equal(types[50]?.counts.pending, 10)
    assert.equal(counts.pending, 61)
  })
})
