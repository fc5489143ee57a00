import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { receivedOf } from '../../coordinator/blobs/transcript-work.ts'
import { API_KEY_HOLDER } from '../../coordinator/access/principal.ts'
import { Checkpoints } from '../../coordinator/blobs/checkpoints.ts'
import { MINUTE } from '../../shared/duration.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { assembled, type Assembled } from './assembled.ts'
import { newJobId, NOON } from './example-jobs.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  type Claimed,
  type Running,
} from './running.ts'

/** Keys of either style, which nobody may rename. */
const SOME = { version: 1, parts_done: [{ endSeconds: 12.5, 'odd key': null }], made_at: 'today' }
const MORE = { version: 1, parts_done: [1, 2], made_at: 'later' }

const bytesOf = (value: object) => new TextEncoder().encode(JSON.stringify(value))
const valueOf = (bytes: Uint8Array | null): unknown => JSON.parse(new TextDecoder().decode(bytes!))

async function opened(t: TestContext): Promise<{ dir: string; all: Checkpoints; said: string[] }> {
  const dir = tempFolder()
  const said: string[] = []
  const all = await Checkpoints.open(dir, (message) => said.push(message))
  t.after(async () => await all.close())
  return { dir: path.join(dir, 'checkpoints'), all, said }
}

describe('the checkpoints', () => {
  test('give back the newest one, also before it is written', async (t) => {
    const { all } = await opened(t)
    const id = newJobId()
    assert.equal(await all.read(id), null)
    all.keep(id, bytesOf(MORE))
    all.keep(id, bytesOf(SOME))
    assert.deepEqual(valueOf(await all.read(id)), SOME)
  })

  test('of one job do not pile up: of many that come at once the newest is written', async (t) => {
    const { all, dir } = await opened(t)
    const id = newJobId()
    for (let n = 0; n <= 1_000; n += 1) all.keep(id, bytesOf({ n }))
    await all.settled()
    assert.deepEqual(JSON.parse(readFileSync(path.join(dir, `${id}.json`), 'utf8')), { n: 1_000 })
    assert.deepEqual(readdirSync(dir), [`${id}.json`])
  })

  test('that are removed stay so, also when one was about to be written', async (t) => {
    const { all, dir } = await opened(t)
    const id = newJobId()
    all.keep(id, bytesOf(SOME))
    all.keep(id, bytesOf(MORE))
    assert.equal(await all.remove(id), JSON.stringify(SOME).length)
    await all.settled()
    assert.deepEqual(readdirSync(dir), [])
    assert.equal(await all.remove(id), 0)
  })

  for (const text of ['{"half": ', '', '[1]', 'null', '"text"'])
    test(`drop one that holds ${JSON.stringify(text)}`, async (t) => {
      const { all, dir, said } = await opened(t)
      const id = newJobId()
      writeFileSync(path.join(dir, `${id}.json`), text)
      assert.equal(await all.read(id), null)
      assert.equal(existsSync(path.join(dir, `${id}.json`)), false)
      assert.match(said.join(), new RegExp(`checkpoint of job ${id} cannot be read`))
    })

  test('that cannot be written are complained of and nothing else', async (t) => {
    const { all, dir, said } = await opened(t)
    rmSync(dir, { recursive: true })
    all.keep(newJobId(), bytesOf(SOME))
    await all.settled()
    assert.equal(said.length, 1)
    assert.match(said[0]!, /cannot be written/)
    mkdirSync(dir)
  })

  test('that were half written are gone after a restart', async (t) => {
    const { dir } = await opened(t)
    writeFileSync(path.join(dir, `${newJobId()}.x.tmp`), '{')
    await Checkpoints.open(path.dirname(dir), () => undefined)
    assert.deepEqual(readdirSync(dir), [])
  })
})

interface Held {
  jobId: string
  beat: (checkpoint?: Record<string, unknown> | null, attempt?: number) => Promise<string>
  file: string
}

async function held(all: Assembled): Promise<Held> {
  const jobId = await all.add()
  await all.claim()
  return {
    jobId,
    file: path.join(all.dir, 'checkpoints', `${jobId}.json`),
    async beat(checkpoint, attempt = 1) {
      const leaseToken = all.tokens.issue('lease', all.job(jobId), attempt)
      const said = { jobId, leaseToken, stage: 'transcribe', progress: Math.random() }
      const { order } = await all.attempts.heartbeat(
        {
          ...said,
          ...(checkpoint !== undefined && { checkpoint: checkpoint && bytesOf(checkpoint) }),
        },
        API_KEY_HOLDER,
      )
      await all.files.checkpoints.settled()
      return order
    },
  }
}

describe('the checkpoint of an attempt', () => {
  test('is there for the next one, and stays while beats bring none', async (t) => {
    const all = await assembled(t)
    const { jobId, beat } = await held(all)
    await beat(SOME)
    await beat()
    await beat(null)
    all.clock.now = NOON + MINUTE
    await all.cleanup.expire()
    all.clock.now += MINUTE
    const [again] = await all.claim({ workerId: 'w2' })
    assert.deepEqual(valueOf(await all.attempts.checkpointOf(again!)), SOME)
    assert.equal(await beat(MORE, 2), 'continue')
    assert.deepEqual(valueOf(await all.attempts.checkpointOf(all.job(jobId))), MORE)
  })

  test('that was given up is not taken', async (t) => {
    const all = await assembled(t)
    const { jobId, beat, file } = await held(all)
    await beat(SOME)
    all.clock.now = NOON + MINUTE
    await all.cleanup.expire()
    assert.equal(await beat(MORE), 'lost')
    all.clock.now += MINUTE
    await all.claim({ workerId: 'w2' })
    assert.equal(await beat(MORE), 'lost')
    assert.equal(all.job(jobId).status, 'processing')
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), SOME)
  })

  test('survives that it is released, reassigned or fails for now', async (t) => {
    const all = await assembled(t)
    const { jobId, beat, file } = await held(all)
    await beat(SOME)
    for (const [n, end] of [
      [1, { type: 'release', attempt: 1 }],
      [2, { type: 'retry', reserveFor: null }],
      [3, { type: 'fail', attempt: 3, code: 'engine_failed', message: 'x', retryable: true }],
    ] as const) {
      await all.jobs.apply(jobId, end)
      assert.equal(all.job(jobId).attempts.length, n)
      await all.files.checkpoints.settled()
      assert.ok(existsSync(file))
      all.clock.now += MINUTE
      await all.claim()
    }
  })

  for (const [end, event] of [
    ['is cancelled', { type: 'cancel' }],
    [
      'fails for good',
      { type: 'fail', attempt: 1, code: 'invalid_media', message: 'x', retryable: false },
    ],
  ] as const)
    test(`is gone when the job ${end}, and a retry by hand starts with none`, async (t) => {
      const all = await assembled(t)
      const { jobId, beat, file } = await held(all)
      await beat(SOME)
      await all.jobs.apply(jobId, event)
      await all.files.checkpoints.settled()
      assert.equal(existsSync(file), false)
      await all.jobs.apply(jobId, { type: 'retry', reserveFor: null })
      const [again] = await all.claim()
      assert.equal(await all.attempts.checkpointOf(again!), null)
    })

  test('that could not be removed at the end is removed when the job is retried by hand', async (t) => {
    const all = await assembled(t)
    const { jobId, beat, file } = await held(all)
    await beat(SOME)
    rmSync(file)
    // It is no file, which cannot be unlinked.
    mkdirSync(file)
    await all.jobs.apply(jobId, { type: 'cancel' })
    await all.files.checkpoints.settled()
    assert.match(all.warnings.join(), /checkpoint of job .* cannot be removed/)
    rmdirSync(file)
    writeFileSync(file, JSON.stringify(SOME))
    await all.jobs.apply(jobId, { type: 'retry', reserveFor: null })
    const [again] = await all.claim()
    assert.equal(await all.attempts.checkpointOf(again!), null)
  })

  test('is gone when the job is completed or times out', async (t) => {
    const all = await assembled(t)
    const one = await held(all)
    await one.beat(SOME)
    const leaseToken = all.tokens.issue('lease', all.job(one.jobId), 1)
    await all.attempts.finish(
      one.jobId,
      receivedOf({ success: true, content: 'x', leaseToken }),
      API_KEY_HOLDER,
    )
    const two = await held(all)
    await two.beat(SOME)
    all.clock.now += 61 * MINUTE
    await all.jobs.apply(two.jobId, { type: 'deadline_passed' })
    assert.equal(all.job(two.jobId).status, 'timeout')
    await all.files.checkpoints.settled()
    assert.deepEqual(readdirSync(path.join(all.dir, 'checkpoints')), [])
  })

  test('goes with a job that is removed, and counts as freed', async (t) => {
    const all = await assembled(t)
    const { jobId, beat, file } = await held(all)
    await beat(SOME)
    await all.jobs.apply(jobId, { type: 'release', attempt: 1 })
    assert.equal(await all.cleanup.remove(jobId), JSON.stringify(SOME).length)
    assert.equal(existsSync(file), false)
  })

  test('that is not needed any more is removed at the start', async (t) => {
    const all = await assembled(t)
    const { jobId, beat, file } = await held(all)
    await beat(SOME)
    const dir = path.dirname(file)
    const ended = await all.add()
    await all.jobs.apply(ended, { type: 'cancel' })
    await all.files.checkpoints.settled()
    const [unknown, aside] = [newJobId(), newJobId()]
    for (const id of [ended, unknown, aside]) writeFileSync(path.join(dir, `${id}.json`), '{}')
    assert.equal(await all.cleanup.removeOrphans((id) => id === aside), 2)
    assert.deepEqual(readdirSync(dir).sort(), [`${jobId}.json`, `${aside}.json`].sort())
  })
})

describe('over HTTP', () => {
  const beat = async (running: Running, job: Claimed, checkpoint: unknown): Promise<number> => {
    const { job_id, lease_token } = job
    const jobs = [{ job_id, lease_token, stage: 'transcribe', progress: 0.5, checkpoint }]
    const json = { state: 'running', version: '1', slots: 1, jobs }
    return (await running.ask('POST', '/workers/w1/heartbeat', { json })).status
  }

  test('a checkpoint comes back with the next claim as it was, also after a restart', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    assert.equal(job['checkpoint'], null)
    assert.equal(await beat(running, job, SOME), 200)
    await running.stop()
    const again = await startRunning(t, { root: running.root })
    const route = `/remote-jobs/${job.job_id}/release`
    await again.ask('POST', route, { json: { lease_token: job.lease_token } })
    const [next] = await claim(again, { worker_id: 'w2', claim_id: 'same' })
    assert.equal(next?.attempt, 2)
    assert.deepEqual(next['checkpoint'], SOME)
    const [repeated] = await claim(again, { worker_id: 'w2', claim_id: 'same' })
    assert.deepEqual(repeated?.['checkpoint'], SOME)
  })

  test('a large checkpoint comes back as it was, and is never parsed where it would hold up others', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const parts = Array.from({ length: 20_000 }, (_, i) => ({ start: i, text: `said ${i} – ü` }))
    const large = { parts, id: 'PLACE' }
    const said = { job_id: job.job_id, lease_token: job.lease_token, stage: 's', progress: 0.5 }
    const beating = { state: 'running', version: '1', slots: 1 }
    // An integer that JavaScript would round.
    const raw = JSON.stringify({ ...beating, jobs: [{ ...said, checkpoint: large }] }).replace(
      '"PLACE"',
      '12345678901234567890',
    )
    const route = `/remote-jobs/${job.job_id}/release`
    let longest = 0
    const { parse, stringify } = JSON
    JSON.parse = (text: string, ...rest) => {
      longest = Math.max(longest, String(text).length)
      return parse(text, ...rest) as unknown
    }
    JSON.stringify = ((...args: Parameters<typeof JSON.stringify>) => {
      const text = stringify(...args)
      longest = Math.max(longest, text?.length ?? 0)
      return text
    }) as typeof JSON.stringify
    t.after(() => Object.assign(JSON, { parse, stringify }))
    const post = async (path: string, body: string): Promise<string> => {
      const answer = await fetch(`${running.url}/api/v1${path}`, { method: 'POST', body })
      const text = await answer.text()
      assert.equal(answer.status, 200, text)
      return text
    }
    await post('/workers/w1/heartbeat', raw)
    await post(route, stringify({ lease_token: job.lease_token }))
    const claiming = { worker_id: 'w2', content_types: ['audio'], claim_id: 'again' }
    const given = await post('/remote-jobs/claim', stringify(claiming))
    assert.ok(longest < 64 * 1024, `read or wrote ${longest}`)
    assert.ok(given.includes('"id":12345678901234567890'))
    const [next] = (parse(given) as { jobs: { checkpoint: { parts: unknown } }[] }).jobs
    assert.deepEqual(next?.checkpoint.parts, parts)
  })

  test('a heartbeat may be 16 MiB and no more, other bodies one', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const big = (mebibytes: number): object => ({ text: 'x'.repeat(mebibytes * 1024 ** 2) })
    assert.equal(await beat(running, job, big(15)), 200)
    assert.equal(await beat(running, job, big(16)), 413)
    await assert.rejects(createJob(running, { task_options: big(1) }), /413/)
  })

  test('a checkpoint that cannot be written fails no heartbeat, and the log says so', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const dir = path.join(running.dataDir, 'checkpoints')
    rmSync(dir, { recursive: true })
    assert.equal(await beat(running, job, SOME), 200)
    await running.stop()
    assert.match(running.logged.join(''), /checkpoint of job .* cannot be written/)
  })
})
