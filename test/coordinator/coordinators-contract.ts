import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { lastAttempt } from '../../coordinator/job/job.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { coordinator, type Coordinator, type Shared } from './coordinators.ts'
import { result } from './example-jobs.ts'
import { until } from './running.ts'

const LONG = { waitMs: MINUTE }
const WAITS = { stage: 'waiting', progress: 0, mediaSeconds: null, processedSeconds: null }

/** What coordinators over the same jobs have to do together. @param open a place for their jobs, removed with the test. */
export function coordinatorsContract(
  name: string,
  open: (t: TestContext) => Promise<Shared>,
): void {
  const two = async (t: TestContext): Promise<[Coordinator, Coordinator]> => {
    const join = await open(t)
    return [await coordinator(t, await join()), await coordinator(t, await join())]
  }

  describe(`coordinators over ${name}: work`, () => {
    test('a job of one is given to a call that waits at another', async (t) => {
      const [a, b] = await two(t)
      const waiting = b.claim(LONG)
      await until(() => b.claims.waiting === 1)
      const begun = performance.now()
      const jobId = await a.add()
      assert.deepEqual(ids(await waiting), [jobId])
      assert.ok(performance.now() - begun < 900, 'it was not found by the look of each second')
    })

    test('each of many jobs is given once, wherever the calls wait', async (t) => {
      const [a, b] = await two(t)
      const calls = Array.from({ length: 40 }, (_, n) =>
        (n % 2 === 0 ? a : b).claim({ workerId: `w${n}`, ...LONG }),
      )
      await until(() => a.claims.waiting + b.claims.waiting === 40)
      const made = await Promise.all(Array.from({ length: 40 }, () => a.add()))
      const given = (await Promise.all(calls)).flatMap(ids)
      assert.deepEqual(given.toSorted(), made.toSorted())
      assert.equal(a.claims.waiting + b.claims.waiting, 0)
    })

    test('jobs that waited before are given to all calls at once', async (t) => {
      const [a, b] = await two(t)
      const made = await Promise.all(Array.from({ length: 20 }, () => a.add()))
      const calls = Array.from({ length: 20 }, (_, n) => b.claim({ workerId: `w${n}`, ...LONG }))
      assert.deepEqual((await Promise.all(calls)).flatMap(ids).toSorted(), made.toSorted())
    })

    test('a call ahead of need leaves it to one elsewhere that could begin', async (t) => {
      const [a, b] = await two(t)
      const ahead = a.claim({ workerId: 'busy', prefetch: true, ...LONG })
      const idle = b.claim({ workerId: 'idle', ...LONG })
      await until(() => a.claims.waiting + b.claims.waiting === 2)
      const first = await a.add()
      assert.deepEqual(ids(await idle), [first])
      const second = await a.add()
      assert.deepEqual(ids(await ahead), [second])
    })

    test('an idle worker gets what waits for a slot at the worker of another', async (t) => {
      const [a, b] = await two(t)
      const jobId = await a.add()
      await a.claim({ workerId: 'busy', prefetch: true })
      await a.jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat: WAITS })
      await until(async () => (await b.claim({ workerId: 'idle', waitMs: 1 })).length === 1)
      const job = await a.jobs.get(jobId)
      assert.equal(lastAttempt(job)?.workerId, 'idle')
    })

    test('is found within moments by a coordinator that hears no news', async (t) => {
      const [a, b] = await two(t)
      await b.deafen(true)
      const waiting = b.claim(LONG)
      await until(() => b.claims.waiting === 1)
      const begun = performance.now()
      const jobId = await a.add()
      assert.deepEqual(ids(await waiting), [jobId])
      assert.ok(performance.now() - begun < 900)
    })

    test('is found within two seconds by one that does not know it is deaf', async (t) => {
      const [a, b] = await two(t)
      await b.deafen(false)
      const calls = [1, 2, 3].map((n) => b.claim({ workerId: `w${n}`, ...LONG }))
      await until(() => b.claims.waiting === 3)
      const begun = performance.now()
      const made = [await a.add(), await a.add(), await a.add()]
      assert.deepEqual((await Promise.all(calls)).flatMap(ids).toSorted(), made.toSorted())
      assert.ok(performance.now() - begun < 2 * SECOND)
    })
  })

  describe(`coordinators over ${name}: the same claim again`, () => {
    test('gets the same jobs at another, after its answer was lost', async (t) => {
      const [a, b] = await two(t)
      const jobId = await a.add()
      await a.add()
      assert.deepEqual(ids(await a.claim({ claimId: 'c1' })), [jobId])
      assert.deepEqual(ids(await b.claim({ claimId: 'c1', ...LONG })), [jobId])
    })

    test('sends an older call home that waits elsewhere', async (t) => {
      const [a, b] = await two(t)
      const older = a.claim({ claimId: 'c1', ...LONG })
      await until(() => a.claims.waiting === 1)
      const newer = b.claim({ claimId: 'c1', ...LONG })
      assert.deepEqual(await older, [])
      await until(() => b.claims.waiting === 1)
      const jobId = await a.add()
      assert.deepEqual(ids(await newer), [jobId])
    })

    test('gets what an older call was given meanwhile, at the latest when its wait is over', async (t) => {
      const [a, b] = await two(t)
      await Promise.all([a.deafen(false), b.deafen(false)])
      const older = a.claim({ claimId: 'c1', ...LONG })
      await until(() => a.claims.waiting === 1)
      const newer = b.claim({ claimId: 'c1', contentTypes: ['video', 'audio'], waitMs: 100 })
      await until(() => b.claims.waiting === 1)
      const jobId = await a.add()
      assert.deepEqual(ids(await older), [jobId])
      assert.deepEqual(ids(await newer), [jobId])
    })
  })

  describe(`coordinators over ${name}: news`, () => {
    test('a request at one that waits for a job hears of its end at another', async (t) => {
      const [a, b] = await two(t)
      const jobId = await a.add()
      const waiting = a.watch.result(jobId, new AbortController().signal)
      await b.claim()
      const begun = performance.now()
      await b.jobs.apply(jobId, { type: 'succeed', attempt: 1, result: result() })
      assert.equal((await waiting).status, 'completed')
      assert.ok(performance.now() - begun < 900)
    })

    test('one that hears none looks at such a job each second', async (t) => {
      const [a, b] = await two(t)
      await a.deafen(true)
      const jobId = await a.add()
      const waiting = a.watch.result(jobId, new AbortController().signal)
      await b.claim()
      await b.jobs.apply(jobId, { type: 'succeed', attempt: 1, result: result() })
      assert.equal((await waiting).status, 'completed')
    })
  })
}

const ids = (jobs: readonly { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId)
