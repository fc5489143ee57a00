import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { lastAttempt } from '../../coordinator/job/job.ts'
import type { Policy } from '../../coordinator/job/policy.ts'
import { NO_REQUIREMENTS } from '../../coordinator/job/requirements.ts'
import { PRESENT } from '../../coordinator/leases/workers.ts'
import { HOUR, MINUTE } from '../../shared/duration.ts'
import { assembled, type Assembled } from './assembled.ts'

/** Nothing runs for so long. */
type Stand = (ms: number) => void

async function scene(
  t: TestContext,
  policy: Partial<Policy> = {},
): Promise<Assembled & { stand: Stand }> {
  const all = await assembled(t, { policy })
  const stand: Stand = (ms) => {
    all.clock.now += ms
    all.jobStore.terms.extend(ms)
    all.workers.stoodStill(ms)
  }
  return { ...all, stand }
}

const BEAT = { stage: 'loading', progress: 0, mediaSeconds: null, processedSeconds: null }

test('a standstill ends no lease, also after another one, and what was left of it is left', async (t) => {
  const { add, claim, cleanup, clock, jobs, job, stand } = await scene(t)
  const jobId = await add()
  await claim()
  clock.now += jobs.policy.leaseMs - 1
  stand(HOUR)
  stand(HOUR)
  assert.equal(await cleanup.expire(), 0)
  clock.now += 1
  assert.equal(await cleanup.expire(), 1)
  assert.equal(lastAttempt(job(jobId))?.outcome, 'lost')
})

test('nor a deadline, one of a worker without a lease either', async (t) => {
  const { add, claim, cleanup, clock, job, stand } = await scene(t)
  const jobId = await add()
  await claim({ claimId: null })
  clock.now += HOUR - 1
  stand(MINUTE)
  assert.equal(await cleanup.expire(), 0)
  clock.now += 1
  assert.equal(await cleanup.expire(), 1)
  assert.equal(job(jobId).status, 'timeout')
})

test('nor does it make an attempt that moved a stalled one', async (t) => {
  const { add, claim, jobs, job, stand } = await scene(t)
  const jobId = await add()
  await claim()
  await jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat: BEAT })
  stand(jobs.policy.stallMs)
  await jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat: BEAT })
  assert.equal(job(jobId).status, 'processing')
})

test('a job that waits under a limit may wait so much longer, and is there all the while', async (t) => {
  const { add, claim, cleanup, clock, stand } = await scene(t, { queueLimitMs: HOUR })
  const jobId = await add()
  clock.now += HOUR - 1
  stand(HOUR)
  assert.equal(await cleanup.expire(), 0)
  assert.deepEqual(
    (await claim()).map((one) => one.jobId),
    [jobId],
  )
})

test('a pause before the next try is over when it is over', async (t) => {
  const { add, claim, jobs, stand } = await scene(t)
  const jobId = await add()
  await claim()
  const failure = { code: 'engine_failed', message: 'no', retryable: true }
  await jobs.apply(jobId, { type: 'fail', attempt: 1, ...failure })
  stand(HOUR)
  assert.equal((await claim()).length, 1)
})

test('a job is kept for its worker, who could not come, for so much longer', async (t) => {
  const { add, claim, jobs, clock, stand } = await scene(t)
  const jobId = await add()
  await jobs.apply(jobId, { type: 'retry', reserveFor: 'w2' })
  clock.now += 9 * MINUTE
  stand(HOUR)
  assert.deepEqual(await claim(), [])
  assert.equal((await claim({ workerId: 'w2' })).length, 1)
})

test('a worker that was here is here still', async (t) => {
  const { workers, clock, stand } = await scene(t)
  workers.update('w1', { contentTypes: ['audio'] })
  stand(HOUR)
  assert.equal(workers.hasFor('audio', NO_REQUIREMENTS), true)
  clock.now += PRESENT + 1
  assert.equal(workers.hasFor('audio', NO_REQUIREMENTS), false)
})

test('a claim that is being written meanwhile has its whole lease', async (t) => {
  const { add, claim, cleanup, store, stand } = await scene(t)
  await add()
  const resume = store.hold()
  const claiming = claim()
  stand(HOUR)
  resume()
  assert.equal((await claiming).length, 1)
  assert.equal(await cleanup.expire(), 0)
})
