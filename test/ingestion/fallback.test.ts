import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { pino } from 'pino'
import type { IngestionConfig } from '../../coordinator/config.ts'
import { dueHereAt, refusedUntil } from '../../coordinator/ingestion/fallback.ts'
import { LocalWorker } from '../../coordinator/ingestion/local-worker.ts'
import { MoragClient } from '../../coordinator/ingestion/morag-client.ts'
import { Processors } from '../../coordinator/ingestion/processors.ts'
import type { PendingJob } from '../../coordinator/job/job.ts'
import { NO_REQUIREMENTS } from '../../coordinator/job/requirements.ts'
import { DAY, MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled, type Assembled } from '../coordinator/assembled.ts'
import { after, CLAIM, failing, NOON, pendingJob, result } from '../coordinator/example-jobs.ts'
import {
  claim,
  createJob,
  NO_INGESTION,
  startRunning,
  until,
  type Answer,
  type Running,
} from '../coordinator/running.ts'
import { startServer, type FormServer } from './form-server.ts'
import { startStrict } from './strict-morag.ts'

const LOCAL = { ...CLAIM, workerId: 'local', claimId: null, leased: false }
const RULES = { afterMs: 5 * MINUTE, startedAt: NOON - MINUTE }

function again(...events: Parameters<typeof after>[1][]): PendingJob {
  const job = after(pendingJob(), ...events)
  assert.ok(job.status === 'pending')
  return job
}

describe('a job that waits is due here', () => {
  test('once it has waited long enough, with a worker’s lost attempts from when it is back', () => {
    assert.equal(dueHereAt(pendingJob(), RULES), NOON + 5 * MINUTE)
    const lost = again(CLAIM, failing(1))
    assert.ok(lost.availableAt > NOON)
    assert.equal(dueHereAt(lost, RULES), lost.availableAt + 5 * MINUTE)
    const reserved = { workerId: 'w2', untilAt: NOON + 10 * MINUTE }
    assert.equal(dueHereAt(pendingJob({ reserved }), RULES), NOON + 15 * MINUTE)
  })

  test('no sooner after a start than a worker could have come', () => {
    const rules = { afterMs: 5 * MINUTE, startedAt: NOON + 60 * MINUTE }
    assert.equal(dueHereAt(pendingJob(), rules), NOON + 65 * MINUTE)
  })

  test('at once when it was tried here before', () => {
    const tried = again(LOCAL, failing(1))
    assert.equal(dueHereAt(tried, RULES), tried.availableAt)
    const given = again(LOCAL, { type: 'release', attempt: 1 })
    assert.equal(dueHereAt(given, RULES), NOON + SECOND)
    assert.equal(dueHereAt(tried, { ...RULES, afterMs: null }), null)
  })

  test('at once, or never, when no other can do it, or nothing falls back', () => {
    const ingestion = {
      mode: 'convert',
      local: true,
      sourceType: 'file',
      mediaType: null,
      documentId: null,
      webhook: null,
      metadata: {},
      processingOptions: {},
      ingestOptions: {},
    }
    const off = { ...RULES, afterMs: null }
    assert.equal(dueHereAt(pendingJob({ ingestion }), off), NOON)
    assert.equal(dueHereAt(pendingJob(), off), null)
  })
})

describe('a job that a processor here has refused', () => {
  const ability = 'local x'
  const refused = again(
    { ...LOCAL, ability },
    { type: 'fail', attempt: 1, code: 'unsupported_media', message: 'no', retryable: false },
  )
  const of = (name: 'morag' | 'command', which = ability) => ({
    name,
    ability: which,
    process: async () => ({ content: '', metadata: {} }),
  })

  test('is kept from the same MoRAG server for a day, and from the same program for ever', () => {
    const endedAt = refused.attempts[0]!.endedAt!
    assert.equal(refusedUntil(refused, of('morag')), endedAt + DAY)
    assert.equal(refusedUntil(refused, of('command')), Infinity)
  })

  test('is not kept from another version of the server, or another program', () => {
    assert.equal(refusedUntil(refused, of('morag', 'local y')), 0)
    assert.equal(refusedUntil(refused, of('command', 'local y')), 0)
    assert.equal(refusedUntil(again(LOCAL, failing(1)), of('morag')), 0)
  })
})

/** Jobs fall back nearly at once, and `cat` is there for audio. */
async function start(t: TestContext, more: Partial<IngestionConfig> = {}): Promise<Running> {
  const localProcessors = { audio: ['cat', '{input}'] }
  const ingestion = { ...NO_INGESTION, localProcessors, fallbackAfterMs: 30, ...more }
  return await startRunning(t, { ingestion })
}

async function detail(running: Running, jobId: string): Promise<Answer['body']> {
  return (await running.ask('GET', `/remote-jobs/${jobId}`)).body
}

async function isCompleted(running: Running, jobId: string): Promise<Answer['body']> {
  await until(async () => (await detail(running, jobId))['status'] === 'completed')
  return await detail(running, jobId)
}

/** Returns when a job that was made later, and of which there is no doubt, has fallen back. */
async function laterOneIsDone(running: Running): Promise<void> {
  const source_file_path = running.file('later.txt', 'later')
  const jobId = await createJob(running, { source_file_path, content_type: 'document' })
  await isCompleted(running, jobId)
}

describe('a job that no worker has claimed', () => {
  test('is processed here while none of its type is connected', async (t) => {
    const running = await start(t)
    await claim(running, { content_types: ['video'] })
    const jobId = await createJob(running)
    const job = await isCompleted(running, jobId)
    assert.equal(job['worker_id'], 'local')
    const { text } = await running.ask('GET', `/remote-jobs/${jobId}/result.md`)
    assert.equal(text, 'the bytes of talk.mp3')
  })

  test('waits for the workers of its type that are there', async (t) => {
    const running = await start(t)
    await claim(running)
    const jobId = await createJob(running)
    await laterOneIsDone(running)
    assert.equal((await detail(running, jobId))['status'], 'pending')
    const [job] = await claim(running)
    assert.equal(job?.job_id, jobId)
  })

  test('is the worker’s that comes in time', async (t) => {
    const running = await start(t, { fallbackAfterMs: 5 * MINUTE })
    const jobId = await createJob(running)
    const [job] = await claim(running, { wait_seconds: 10 })
    assert.equal(job?.job_id, jobId)
  })

  test('falls back when the worker of its type is sent home', async (t) => {
    const running = await start(t)
    await claim(running)
    await running.ask('POST', '/workers/w1/drain')
    await isCompleted(running, await createJob(running))
  })

  test('waits on when it requires what no worker here has announced', async (t) => {
    const running = await start(t)
    const task_options = { requires: { diarize: true } }
    const jobId = await createJob(running, { task_options })
    await laterOneIsDone(running)
    const job = await detail(running, jobId)
    assert.equal(job['status'], 'pending')
    assert.match(String(job['waiting_for']), /diarize/)
  })

  test('waits on when no processor here can do it, or nothing is to fall back', async (t) => {
    const running = await start(t, { localProcessors: {} })
    const jobId = await createJob(running)
    await laterOneIsDone(running)
    assert.equal((await detail(running, jobId))['status'], 'pending')
  })

  test('is done by one of the two when a worker comes at that very moment', async (t) => {
    const types = Array.from({ length: 20 }, (_, number) => `type-${number}`)
    const cat = types.map((type) => [type, ['cat', '{input}']] as const)
    const localProcessors = Object.fromEntries(cat)
    const running = await start(t, { fallbackAfterMs: 3, localProcessors })
    for (const content_type of types) {
      const jobId = await createJob(running, { content_type })
      const [job] = await claim(running, { content_types: [content_type], wait_seconds: 0.05 })
      const json = { success: true, content: 'by a worker', lease_token: job?.lease_token }
      if (job !== undefined) await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
      const done = await isCompleted(running, jobId)
      assert.equal((done['attempts'] as unknown[]).length, 1)
      assert.equal(done['worker_id'], job === undefined ? 'local' : 'w1')
    }
  })
})

const conversions = ({ got }: FormServer): number =>
  got.filter(({ data }) => data['mode'] !== 'ingest').length

describe('a job that falls back to the MoRAG server', () => {
  test('has its text converted there, and goes on as any other', async (t) => {
    const server = await startServer(t)
    server.answer = { status: 200, body: { content: '# Talk', metadata: { duration: 3 } } }
    const running = await start(t, {
      moragUrl: server.url,
      localProcessors: {},
      moragApi: 'process',
    })
    const task_options = { language: 'de', webhook_secret: 'hush' }
    const jobId = await createJob(running, { task_options })
    await isCompleted(running, jobId)
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
    assert.deepEqual([body['content'], body['metadata']], ['# Talk', { duration: 3 }])
    await until(() => server.got.length === 2)
    const [converted, ingested] = server.got
    assert.equal(converted!.data['mode'], 'process')
    assert.equal(converted!.data['content_type'], 'audio')
    assert.deepEqual(converted!.data['processing_options'], { language: 'de' })
    assert.equal(converted!.file.filename, 'talk.mp3')
    assert.equal(converted!.file.begin, 'the bytes of talk.mp3')
    assert.equal(ingested!.data['mode'], 'ingest')
    assert.equal(ingested!.file.begin, '# Talk')
  })

  test('prefers what there is for it here', async (t) => {
    const running = await start(t, { moragUrl: 'http://127.0.0.1:1' })
    await isCompleted(running, await createJob(running))
    await laterOneIsDone(running)
  })

  test('waits on when the server is away', async (t) => {
    const server = await startServer(t)
    server.answer = { status: 503 }
    const ingestion = { moragUrl: server.url, localProcessors: {}, moragApi: 'process' as const }
    const running = await start(t, ingestion)
    const jobId = await createJob(running)
    await isReleased(running, jobId)
    await laterOneIsDone(running)
    const waiting = await detail(running, jobId)
    assert.deepEqual([waiting['status'], waiting['retry_count']], ['pending', 0])
    assert.equal(conversions(server), 1)
    assert.ok(running.logged.some((line) => line.includes('answered 503')))
    // A worker that comes now has it.
    assert.equal((await claim(running))[0]?.job_id, jobId)
  })

  for (const [status, body] of [
    [400, { detail: 'Convert mode not supported for file type: mp3' }],
    [413, { detail: 'Request Entity Too Large' }],
    [415, { detail: 'Unsupported Media Type' }],
    [422, { detail: [{ loc: ['body', 'request'], msg: 'Field required', type: 'missing' }] }],
  ] as const) {
    test(`waits on for its workers when the server refuses it with ${status}, and so do the others of its type`, async (t) => {
      const server = await startServer(t)
      server.answer = { status, body }
      const ingestion = { moragUrl: server.url, localProcessors: {}, moragApi: 'process' as const }
      const running = await start(t, ingestion)
      // Its agent is there, and reboots.
      await claim(running)
      const jobs = [await createJob(running), await createJob(running), await createJob(running)]
      await running.ask('POST', '/workers/w1/drain')
      await isReleased(running, jobs[0]!)
      await laterOneIsDone(running)
      assert.ok(conversions(server) <= 2, 'nothing more of that type is sent there for now')
      const first = await detail(running, jobs[0]!)
      const said = status === 422 ? 'Field required' : body.detail
      assert.ok(String(first['error_message']).includes(String(said)))
      assert.equal(first['waiting_for'], 'a worker for audio')
      await running.ask('POST', '/workers/w1/resume')
      for (const jobId of jobs) {
        const [job] = await claim(running)
        assert.equal(job?.job_id, jobId)
        const json = { success: true, content: '# Talk', lease_token: job!.lease_token }
        await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
        assert.equal((await detail(running, jobId))['status'], 'completed')
      }
    })
  }
})

describe('a MoRAG server that is upgraded', () => {
  /** A server that never takes `.opus`, and a job that it has refused. */
  async function refusedJob(t: TestContext) {
    const server = await startStrict(t, 'process')
    const running = await start(t, { moragUrl: server.url, localProcessors: {} })
    const source_file_path = running.file('talk.opus')
    const jobId = await createJob(running, { source_file_path })
    await isReleased(running, jobId)
    return { server, running, jobId }
  }

  test('is offered the jobs that it refused before', async (t) => {
    const { server, running, jobId } = await refusedJob(t)
    server.version = 'stages'
    server.takes.push('.opus')
    // The ingestion of its text meets the 410 of the old route.
    await laterOneIsDone(running)
    await until(() => server.requests.includes('POST /api/v1/process 410'))
    await laterOneIsDone(running)
    const job = await isCompleted(running, jobId)
    assert.equal((job['attempts'] as unknown[]).length, 2)
    assert.deepEqual(
      server.conversions.map(({ version, filename }) => [version, filename]),
      [['stages', 'talk.opus']],
    )
  })

  test('is not offered them while it is the same', async (t) => {
    const { server, running, jobId } = await refusedJob(t)
    server.takes.push('.opus')
    await laterOneIsDone(running)
    assert.equal((await detail(running, jobId))['status'], 'pending')
    assert.deepEqual(server.conversions, [])
  })

  test('is offered them after a restart of the coordinator, too, and not when it is the same', async (t) => {
    const { server, running, jobId } = await refusedJob(t)
    await running.stop()
    const ingestion = { ...NO_INGESTION, fallbackAfterMs: 30, moragUrl: server.url }
    const earlier = server.requests.length
    const same = await startRunning(t, { root: running.root, ingestion })
    await until(() => server.requests.slice(earlier).includes('GET /openapi.json 200'))
    await laterOneIsDone(same)
    assert.equal(((await detail(same, jobId))['attempts'] as unknown[]).length, 1)
    await same.stop()
    server.version = 'stages'
    server.takes.push('.opus')
    const again = await startRunning(t, { root: running.root, ingestion })
    await isCompleted(again, jobId)
  })

  test('is waited for while it is away: its jobs are not even tried', async (t) => {
    const server = await startStrict(t, 'process')
    const running = await start(t, { moragUrl: server.url, localProcessors: {} })
    server.kill()
    const jobId = await createJob(running)
    await until(() => running.logged.some((line) => line.includes('cannot be reached')))
    await laterOneIsDone(running)
    assert.deepEqual((await detail(running, jobId))['attempts'], [])
  })
})

/** Returns once nobody here has a job any more that was tried here. */
async function isReleased(running: Running, jobId: string): Promise<void> {
  await until(async () => {
    const { attempts } = (await detail(running, jobId)) as { attempts: { outcome: string }[] }
    return attempts.at(-1)?.outcome === 'released'
  })
}

describe('a job that no processor here could do though it fell back', () => {
  const failing = (code: string): Partial<IngestionConfig> => ({
    localProcessors: { audio: [process.execPath, '-e', code, '--', '{input}'] },
  })

  test('waits for its workers once it has been tried often enough, with all its tries left', async (t) => {
    const running = await startRunning(t, {
      maxRetries: 0,
      ingestion: { ...NO_INGESTION, fallbackAfterMs: 30, ...failing('process.exit(1)') },
    })
    const jobId = await createJob(running)
    await isReleased(running, jobId)
    await laterOneIsDone(running)
    const job = await detail(running, jobId)
    assert.deepEqual([job['status'], job['retry_count']], ['pending', 0])
    assert.equal((job['attempts'] as unknown[]).length, 1)
    assert.equal((await claim(running))[0]?.job_id, jobId)
  })

  test('waits for them after its deadline here', async (t) => {
    const running = await start(t, failing('setInterval(() => {}, 1000)'))
    const task_options = { timeout_seconds: 0.2 }
    const jobId = await createJob(running, { task_options })
    await isReleased(running, jobId)
    const job = await detail(running, jobId)
    assert.deepEqual([job['status'], job['error_code']], ['pending', 'timeout'])
  })

  test('waits for them, or for the program that is missing', async (t) => {
    const running = await start(t, { localProcessors: { audio: ['no-such-one', '{input}'] } })
    const jobId = await createJob(running)
    await isReleased(running, jobId)
    assert.equal((await detail(running, jobId))['status'], 'pending')
    assert.ok(running.logged.some((line) => line.includes("'no-such-one'")))
  })

  test('fails where its file is gone', async (t) => {
    const running = await start(t, { fallbackAfterMs: 300 })
    const source_file_path = running.file('gone.mp3')
    const jobId = await createJob(running, { source_file_path })
    rmSync(source_file_path)
    await until(async () => (await detail(running, jobId))['status'] === 'failed')
    assert.equal((await detail(running, jobId))['error_code'], 'source_missing')
  })

  test('is tried by another program that the operator sets', async (t) => {
    const first = await startRunning(t, {
      maxRetries: 0,
      ingestion: { ...NO_INGESTION, fallbackAfterMs: 30, ...failing('process.exit(1)') },
    })
    const jobId = await createJob(first)
    await isReleased(first, jobId)
    await first.stop()
    const ingestion = { ...NO_INGESTION, fallbackAfterMs: 30 }
    const localProcessors = { audio: ['cat', '{input}'] }
    const again = await startRunning(t, {
      root: first.root,
      ingestion: { ...ingestion, localProcessors },
    })
    await isCompleted(again, jobId)
  })
})

describe('a worker that holds an attempt', () => {
  test('is connected, however long it says nothing: it does not ask for more while it works', async (t) => {
    const all = await assembled(t)
    all.jobs.subscribe(all.workers)
    const isServed = (): boolean => all.workers.hasFor('audio', NO_REQUIREMENTS)
    const jobId = await all.add()
    all.workers.update('w1', { contentTypes: ['audio', 'video'] })
    await all.claim({ claimId: null })
    all.clock.now += 50 * MINUTE
    assert.ok(isServed())
    assert.ok(all.workers.hasFor('video', NO_REQUIREMENTS))
    all.workers.direct('w1', 'drain')
    assert.ok(!isServed(), 'nobody who was sent home is waited for')
    all.workers.direct('w1', 'run')
    await all.jobs.apply(jobId, { type: 'cancel' })
    assert.ok(!isServed())
  })

  test('is so after a restart of the coordinator, too', async (t) => {
    const running = await start(t, { fallbackAfterMs: 5 * MINUTE })
    const jobId = await createJob(running)
    const polled = await running.ask('GET', '/remote-jobs/poll?worker_id=w1&content_types=audio')
    assert.equal(polled.body['job_id'], jobId)
    await running.stop()
    const ingestion = { ...NO_INGESTION, localProcessors: { audio: ['cat', '{input}'] } }
    const again = await startRunning(t, {
      root: running.root,
      ingestion: { ...ingestion, fallbackAfterMs: 30 },
    })
    const other = await createJob(again)
    await laterOneIsDone(again)
    assert.equal((await detail(again, other))['status'], 'pending')
  })
})

describe('an agent that reboots for ten minutes, with the default settings', () => {
  test('finds every job waiting, though the MoRAG server was asked to convert them', async (t) => {
    const server = await startStrict(t, 'process')
    server.converts = false
    const all = await assembled(t)
    const { jobs, workers, clock, files } = all
    const morag = new MoragClient({ url: server.url, apiKey: null, api: 'process' })
    t.after(async () => await morag.close())
    const config = { ...NO_INGESTION, moragUrl: server.url }
    const folder = path.join(all.dir, 'local')
    const processors = await Processors.open({ config, sources: files.sources, morag, folder })
    const { results } = files
    const log = pino({ enabled: false })
    const rules = { fallbackAfterMs: 5 * MINUTE }
    const local = new LocalWorker({ jobs, workers, processors, results, log, ...rules })
    jobs.subscribe(workers, local)
    await local.start()
    const talk = { ...pendingJob().source, path: path.join(all.dir, 'media', 'talk.mp3') }
    const source = { ...talk, sizeBytes: 'speech'.length }
    workers.update('w1', { contentTypes: ['audio'] })
    const ids = [await all.add({ source }), await all.add({ source }), await all.add({ source })]
    const [inWork] = await all.claim()
    for (let minute = 0; minute < 10; minute += 1) {
      clock.now += MINUTE
      await all.cleanup.expire()
      // Its timer goes by the real clock: this sets it again, for at once.
      local.clockStepped(0)
      if (clock.now === NOON + 5 * MINUTE) await until(() => ids.some((id) => isRefused(all, id)))
    }
    await local.close()
    assert.deepEqual(server.requests.slice(0, 2), [
      'GET /openapi.json 200',
      'POST /api/v1/process 400',
    ])
    workers.update('w1', { contentTypes: ['audio'] })
    for (const digest of ids) {
      const [job] = await all.claim()
      const attempt = job!.attempts.at(-1)!.number
      await jobs.apply(job!.jobId, { type: 'succeed', attempt, result: result(digest) })
    }
    assert.deepEqual(
      ids.map((jobId) => [all.job(jobId).status, all.job(jobId).retryCount]),
      ids.map((jobId) => ['completed', Number(jobId === inWork!.jobId)]),
    )
  })
})

function isRefused(all: Assembled, jobId: string): boolean {
  const { outcome, workerId } = all.job(jobId).attempts.at(-1) ?? {}
  return workerId === 'local' && outcome === 'released'
}
