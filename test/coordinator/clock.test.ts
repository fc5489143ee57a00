import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { Clock } from '../../coordinator/clock.ts'
import type { Policy } from '../../coordinator/job/policy.ts'
import { lastAttempt } from '../../coordinator/job/job.ts'
import { NO_REQUIREMENTS } from '../../coordinator/job/requirements.ts'
import { PRESENT } from '../../coordinator/leases/workers.ts'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled, type Assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { until } from './running.ts'

describe('a clock', () => {
  function stepping(): { clock: Clock; pass: (ms: number) => void; set: (ms: number) => void } {
    let passed = 5_000
    let offset = NOON
    const clock = new Clock(
      () => offset + passed,
      () => passed,
    )
    return { clock, pass: (ms) => (passed += ms), set: (ms) => (offset += ms) }
  }

  test('tells by how much it was set, once, before it tells the new time', () => {
    const { clock, pass, set } = stepping()
    const steps: number[] = []
    clock.onStep((ms) => steps.push(ms))
    pass(10 * HOUR)
    clock.now()
    set(HOUR)
    assert.equal(clock.now(), NOON + 5_000 + 11 * HOUR)
    clock.now()
    set(-2 * HOUR)
    clock.now()
    assert.deepEqual(steps, [HOUR, -2 * HOUR])
  })

  test('is silent about less than a second, until it has become one', () => {
    const { clock, set } = stepping()
    const steps: number[] = []
    clock.onStep((ms) => steps.push(ms))
    for (const _ of [1, 2, 3]) {
      set(400)
      clock.now()
    }
    assert.deepEqual(steps, [1_200])
  })

  test('tells for how long nothing ran, once, before it tells the time after it', (t) => {
    const { clock, pass } = stepping()
    const missed: number[] = []
    clock.onStandstill((ms) => missed.push(ms))
    pass(HOUR)
    clock.now()
    assert.deepEqual(missed, [], 'nobody looks at the time regularly')
    t.after(clock.watch())
    for (const ms of [250, 900, 9_250, 0, 300, 4_250]) {
      pass(ms)
      clock.now()
    }
    assert.deepEqual(missed, [9_000, 4_000])
  })

  test('tells of a machine that slept as of a step: its steady clock may have slept, too', (t) => {
    const { clock, pass, set } = stepping()
    const told: [string, number][] = []
    clock.onStep((ms) => told.push(['step', ms]))
    clock.onStandstill((ms) => told.push(['standstill', ms]))
    t.after(clock.watch())
    pass(250)
    set(HOUR)
    clock.now()
    assert.deepEqual(told, [['step', HOUR]])
  })
})

for (const [title, ms] of [
  ['an hour ahead', HOUR],
  ['an hour back', -HOUR],
] as const) {
  describe(`after a step ${title}`, () => {
    async function scene(
      t: TestContext,
      policy: Partial<Policy> = {},
    ): Promise<Assembled & { set: () => void }> {
      const all = await assembled(t, { policy })
      const set = (): void => {
        all.clock.now += ms
        all.jobStore.terms.step(ms)
        all.workers.clockStepped(ms)
      }
      return { ...all, set }
    }

    test('a lease, a deadline and a stall last as long as before', async (t) => {
      const { add, claim, set, cleanup, clock, jobs, job } = await scene(t)
      const jobId = await add()
      await claim()
      const { leaseMs, stallMs } = jobs.policy
      clock.now += leaseMs - 1
      set()
      assert.equal(await cleanup.expire(), 0)
      const beat = { stage: 'loading', progress: 0, mediaSeconds: null, processedSeconds: null }
      await jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat })
      clock.now += leaseMs - 1
      set()
      await jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat })
      assert.equal(job(jobId).status, 'processing')
      assert.ok(leaseMs < stallMs)
      clock.now += leaseMs + 1
      assert.equal(await cleanup.expire(), 1)
      assert.equal(lastAttempt(job(jobId))?.outcome, 'lost')
    })

    test('a change that is being written meanwhile is no exception', async (t) => {
      const { add, claim, set, cleanup, clock, jobs, job, store } = await scene(t)
      const jobId = await add()
      const resume = store.hold()
      const claiming = claim()
      await until(() => store.held === 1)
      set()
      resume()
      const [claimed] = await claiming
      const after = job(jobId)
      assert.deepEqual(after, claimed, 'the worker is told of the same terms')
      assert.ok(after.status === 'processing')
      assert.equal(after.lease.expiresAt, clock.now + jobs.policy.leaseMs)
      clock.now += jobs.policy.leaseMs - 1
      assert.equal(await cleanup.expire(), 0)
      clock.now += 1
      assert.equal(await cleanup.expire(), 1)
    })

    test('a job that goes back meanwhile waits as long as it was to', async (t) => {
      const { add, claim, set, clock, jobs, jobStore, store } = await scene(t)
      const jobId = await add()
      await claim()
      const failure = { code: 'engine_failed', message: 'no', retryable: true }
      const resume = store.hold()
      const failing = jobs.apply(jobId, { type: 'fail', attempt: 1, ...failure })
      await until(() => store.held === 1)
      const before = clock.now
      set()
      resume()
      const after = await failing
      assert.ok(after.status === 'pending')
      const wait = after.availableAt - clock.now
      assert.ok(wait > 0 && wait < MINUTE, `${wait} ms from ${before}`)
      assert.equal(jobStore.queue.nextOpenAt(), after.availableAt)
    })

    test('a recording’s deadline counts from the attempt’s start', async (t) => {
      const { add, claim, set, clock, jobs, job } = await scene(t)
      const jobId = await add()
      await claim()
      clock.now += MINUTE / 2
      set()
      const mediaSeconds = 3 * 3_600
      const beat = { stage: 'loading', progress: 0, mediaSeconds, processedSeconds: null }
      await jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat })
      const after = job(jobId)
      assert.ok(after.status === 'processing')
      const left = after.lease.deadlineAt - clock.now
      assert.equal(left, 4 * mediaSeconds * SECOND - MINUTE / 2)
    })

    test('a wait for the next try lasts as long as before, and no longer', async (t) => {
      const { add, claim, set, clock, jobs, jobStore } = await scene(t)
      const jobId = await add()
      await claim()
      const failure = { code: 'engine_failed', message: 'no', retryable: true }
      await jobs.apply(jobId, { type: 'fail', attempt: 1, ...failure })
      const wait = jobStore.queue.nextOpenAt()! - clock.now
      assert.ok(wait > 0)
      set()
      clock.now += wait - 1
      assert.deepEqual(await claim(), [])
      clock.now += 1
      assert.deepEqual(
        (await claim()).map((one) => one.jobId),
        [jobId],
      )
    })

    test('a wait under a limit lasts as long as before', async (t) => {
      const { add, set, clock, cleanup } = await scene(t, { queueLimitMs: HOUR / 2 })
      await add()
      clock.now += HOUR / 2 - 1
      set()
      assert.equal(await cleanup.expire(), 0)
      clock.now += 1
      assert.equal(await cleanup.expire(), 1)
    })

    test('a worker is here, or set aside, as long as before', async (t) => {
      const { set, workers, clock } = await scene(t)
      workers.update('w1', { contentTypes: ['audio'] })
      const from = clock.now
      for (const jobId of ['a', 'b', 'c'])
        workers.ended({
          workerId: 'w1',
          jobId,
          startedAt: from,
          endedAt: from,
          errorCode: 'engine_failed',
          isLost: false,
        })
      set()
      assert.equal(workers.hasFor('audio', NO_REQUIREMENTS), true)
      clock.now += PRESENT + 1
      assert.equal(workers.hasFor('audio', NO_REQUIREMENTS), false)
      assert.notEqual(workers.setAsideOf('w1'), null)
      clock.now += 10 * MINUTE - PRESENT
      assert.equal(workers.setAsideOf('w1'), null)
    })

    test('a job that is not reserved is there at once', async (t) => {
      const { add, claim, set } = await scene(t)
      const jobId = await add()
      set()
      assert.deepEqual(
        (await claim()).map((one) => one.jobId),
        [jobId],
      )
    })
  })
}
