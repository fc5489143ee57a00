import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PendingJob } from '../../coordinator/job/job.ts'
import { fromRecord, toRecord } from '../../coordinator/storage/record.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { claim, createJob, startRunning, until, type Claimed } from './running.ts'

const LONG = { waitMs: 60 * SECOND }
const AHEAD = { ...LONG, prefetch: true }

const ids = (jobs: { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId)

describe('a call that looks ahead', () => {
  test('gets what there is at once', async (t) => {
    const { add, claim: take } = await assembled(t)
    const jobId = await add()
    assert.deepEqual(ids(await take(AHEAD)), [jobId])
  })

  test('stands behind all that would begin at once, whenever they came', async (t) => {
    const { add, claim: take, claims } = await assembled(t)
    const ahead = [take({ workerId: 'a1', ...AHEAD }), take({ workerId: 'a2', ...AHEAD })]
    const idle = [take({ workerId: 'w1', ...LONG }), take({ workerId: 'w2', ...LONG })]
    assert.equal(claims.waiting, 4)
    const jobs = [await add(), await add(), await add(), await add()]
    const given = await Promise.all([...idle, ...ahead])
    assert.deepEqual(given.flatMap(ids), jobs)
  })

  test('stands behind them also for a job that becomes available while both wait', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const { add, claim: take } = await assembled(t, { now: Date.now })
    const jobId = await add({ availableAt: NOON + SECOND })
    const ahead = take({ workerId: 'a1', ...AHEAD })
    const idle = take({ workerId: 'w1', ...LONG })
    t.mock.timers.tick(SECOND)
    assert.deepEqual(ids(await idle), [jobId])
    const next = await add()
    assert.deepEqual(ids(await ahead), [next])
    t.mock.timers.reset()
  })

  test('gets the job that those before it in line may not have', async (t) => {
    const { add, claim: take } = await assembled(t)
    const idle = take({ workerId: 'w1', contentTypes: ['video'], ...LONG })
    const ahead = take({ workerId: 'a1', contentTypes: ['video', 'audio'], ...AHEAD })
    const audio = await add()
    assert.deepEqual(ids(await ahead), [audio])
    const video = await add({ contentType: 'video' })
    assert.deepEqual(ids(await idle), [video])
  })

  test('is sent home with its worker', async (t) => {
    const { claim: take, claims } = await assembled(t)
    const ahead = take(AHEAD)
    claims.dismiss('w1')
    assert.deepEqual(await ahead, [])
    assert.equal(claims.waiting, 0)
  })

  test('stands behind over HTTP too', async (t) => {
    const running = await startRunning(t)
    const health = async (): Promise<unknown> =>
      (await running.ask('GET', '/health')).body['waiting_claims']
    const wait = (worker_id: string, prefetch: boolean): Promise<Claimed[]> =>
      claim(running, { worker_id, prefetch, wait_seconds: 30 })
    const ahead = wait('a', true)
    await until(async () => (await health()) === 1)
    const idle = wait('b', false)
    await until(async () => (await health()) === 2)
    const first = await createJob(running)
    assert.equal((await idle)[0]?.job_id, first)
    const second = await createJob(running)
    assert.equal((await ahead)[0]?.job_id, second)
  })
})

test('a wait that began before a restart is not taken for work after it', async (t) => {
  const policy = {
    leaseMs: 60 * SECOND,
    stallMs: 600 * SECOND,
    deadlineMs: { default: 600 * SECOND },
    deadlineFactor: 4,
    queueLimitMs: null,
    originalGraceMs: MINUTE,
  }
  const running = await startRunning(t, { policy })
  await createJob(running)
  const [job] = await claim(running)
  const { job_id, lease_token } = job!
  const beatTo = async (to: typeof running, stage: string): Promise<unknown> => {
    const jobs = [{ job_id, lease_token, stage, progress: 0.1 }]
    const json = { state: 'running', version: '1', slots: 1, jobs }
    const { body } = await to.ask('POST', '/workers/w1/heartbeat', { json })
    return (body['jobs'] as Record<string, unknown>[])[0]?.['order']
  }
  const deadlineAt = async (of: typeof running): Promise<number> => {
    const { body } = await of.ask('GET', `/remote-jobs/${job_id}`)
    return Date.parse((body['lease'] as Record<string, string>)['deadline_at']!)
  }
  const before = await deadlineAt(running)
  await beatTo(running, 'waiting')
  const waitedFrom = Date.now()
  await running.stop()
  const again = await startRunning(t, { root: running.root, policy })
  const waited = Date.now() - waitedFrom
  assert.equal(await beatTo(again, 'transcribe'), 'continue')
  assert.ok((await deadlineAt(again)) >= before + waited)
})

describe('a job that waits for its slot', () => {
  const beat = { mediaSeconds: null, processedSeconds: null, progress: 0.1 }

  /** A job that w1 has got ready and that is at a stage there. */
  async function heldAt(
    all: Awaited<ReturnType<typeof assembled>>,
    stage: string,
    different: Partial<PendingJob> = {},
  ): Promise<string> {
    const jobId = await all.add(different)
    assert.deepEqual(ids(await all.claim({ workerId: 'w1', prefetch: true })), [jobId])
    const event = { type: 'heartbeat', attempt: 1, beat: { ...beat, stage } } as const
    await all.jobs.apply(jobId, event)
    return jobId
  }

  test('goes to a worker that asks for work to begin at once, and is lost to the other', async (t) => {
    const all = await assembled(t)
    const jobId = await heldAt(all, 'waiting')
    const [job] = await all.claim({ workerId: 'w2' })
    assert.equal(job?.jobId, jobId)
    const outcomes = job.attempts.map(({ workerId, outcome }) => [workerId, outcome])
    assert.deepEqual(outcomes, [
      ['w1', 'reassigned'],
      ['w2', null],
    ])
    assert.equal(job.retryCount, 0)
  })

  test('goes to a worker that idles when it begins to wait', async (t) => {
    const all = await assembled(t)
    const jobId = await heldAt(all, 'download')
    const idle = all.claim({ workerId: 'w2', ...LONG })
    const event = { type: 'heartbeat', attempt: 1, beat: { ...beat, stage: 'waiting' } } as const
    await all.jobs.apply(jobId, event)
    assert.deepEqual(ids(await idle), [jobId])
  })

  test('stays where it is when a person has chosen its worker', async (t) => {
    const all = await assembled(t)
    const reserved = { workerId: 'w1', untilAt: NOON + 60 * SECOND }
    const jobId = await heldAt(all, 'waiting', { reserved })
    assert.deepEqual(await all.claim({ workerId: 'w2' }), [])
    const again = fromRecord(toRecord(all.job(jobId)), jobId, 'processing', NOON)
    assert.deepEqual(again, all.job(jobId))
  })

  test('stays where it is for one that looks ahead, its own worker, and one that cannot do it', async (t) => {
    const all = await assembled(t)
    await heldAt(all, 'waiting')
    assert.deepEqual(await all.claim({ workerId: 'w2', prefetch: true }), [])
    assert.deepEqual(await all.claim({ workerId: 'w1' }), [])
    assert.deepEqual(await all.claim({ workerId: 'w2', contentTypes: ['video'] }), [])
    assert.deepEqual(await all.claim({ workerId: 'w2', claimId: null }), [])
  })

  test('stays where it is once it has its slot', async (t) => {
    const all = await assembled(t)
    const jobId = await heldAt(all, 'waiting')
    const event = { type: 'heartbeat', attempt: 1, beat: { ...beat, stage: 'loading' } } as const
    await all.jobs.apply(jobId, event)
    assert.deepEqual(await all.claim({ workerId: 'w2' }), [])
  })
})
