import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { Capabilities } from '../../shared/announcement.ts'
import { lastAttempt } from '../../coordinator/job/job.ts'
import { MINUTE } from '../../shared/duration.ts'
import { coordinator, type Coordinator, type Shared } from './coordinators.ts'
import { failing, result } from './example-jobs.ts'
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
      // Nothing is found by the look of each second.
      Object.assign(b.peers, { openings: async () => [] })
      const jobId = await a.add()
      assert.deepEqual(ids(await waiting), [jobId])
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
      // However slow the other is: the look of each second finds nothing, either.
      Object.assign(a.peers, { openings: async () => [] })
      const find = a.jobs.find.bind(a.jobs)
      a.jobs.find = async (jobId) => await idle.then(async () => await find(jobId))
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

    test('is found by a coordinator that hears no news', async (t) => {
      const [a, b] = await two(t)
      await b.deafen(true)
      const waiting = b.claim(LONG)
      await until(() => b.claims.waiting === 1)
      const jobId = await a.add()
      assert.deepEqual(ids(await waiting), [jobId])
    })

    test('is found by one that does not know it is deaf', async (t) => {
      const [a, b] = await two(t)
      await b.deafen(false)
      const calls = [1, 2, 3].map((n) => b.claim({ workerId: `w${n}`, ...LONG }))
      await until(() => b.claims.waiting === 3)
      const made = [await a.add(), await a.add(), await a.add()]
      assert.deepEqual((await Promise.all(calls)).flatMap(ids).toSorted(), made.toSorted())
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

    test('keeps what another has answered, when the first finds its caller gone', async (t) => {
      const [a, b] = await two(t)
      const jobId = await a.add()
      const lost = a.claim({ claimId: 'c1' }, async () => {
        assert.deepEqual(ids(await b.claim({ claimId: 'c1' })), [jobId])
        throw new Error('cut')
      })
      await assert.rejects(lost, /cut/)
      assert.equal((await b.jobs.get(jobId)).status, 'processing')
    })

    test('sends an older call home that waits elsewhere', async (t) => {
      const [a, b] = await two(t)
      const older = a.claim({ claimId: 'c1', ...LONG })
      await until(() => a.claims.waiting === 1)
      const since = a.store.now()
      await until(() => b.store.now() > since)
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

  describe(`coordinators over ${name}: workers`, () => {
    const requires = { taskOptions: { requires: { model: 'large' } } }
    const able: Capabilities = { engines: [], models: ['large'], languages: null, features: [] }

    test('one that has announced itself at one may have at another what not everybody can do', async (t) => {
      const [a, b] = await two(t)
      a.workers.update('w1', { state: 'idle', capabilities: able, contentTypes: ['audio'] })
      const jobId = await b.add(requires)
      await until(async () => (await b.board.shared!.find('w1')) !== null)
      b.workers.update('w1', { contentTypes: ['audio'] })
      assert.deepEqual(ids(await b.claim()), [jobId])
      assert.deepEqual(b.workers.find('w1')?.capabilities, able)
    })

    test('a call that waits gets such a job once its worker has announced itself elsewhere', async (t) => {
      const [a, b] = await two(t)
      const jobId = await b.add(requires)
      b.workers.update('w1', { contentTypes: ['audio'] })
      const waiting = b.claim(LONG)
      await until(() => b.claims.waiting === 1)
      a.workers.update('w1', { state: 'idle', capabilities: able })
      assert.deepEqual(ids(await waiting), [jobId])
      await until(() => b.workers.ableTo('audio').slots === 1)
    })

    test('one that is drained at one gets nothing at another, until it is resumed anywhere', async (t) => {
      const [a, b] = await two(t)
      for (const { workers } of [a, b])
        workers.update('w1', { contentTypes: ['audio'], state: 'idle' })
      const waiting = b.claim(LONG)
      await until(() => b.claims.waiting === 1)
      a.workers.direct('w1', 'drain')
      assert.deepEqual(await waiting, [])
      assert.equal(b.workers.directiveOf('w1'), 'drain')
      const jobId = await a.add()
      assert.deepEqual(await b.claim(LONG), [])
      b.workers.direct('w1', 'run')
      await until(() => a.workers.directiveOf('w1') === 'run')
      assert.deepEqual(ids(await a.claim(LONG)), [jobId])
    })

    test('its failures count together, and so does its success', async (t) => {
      const [a, b] = await two(t)
      for (const one of [a, b, a]) {
        const jobId = await one.add({ maxRetries: 0 })
        assert.deepEqual(ids(await one.claim()), [jobId])
        await one.jobs.apply(jobId, failing(1, 'engine_failed'))
        await one.workers.kept()
      }
      await until(() => [a, b].every(({ workers }) => workers.setAsideOf('w1') !== null))
      const last = await b.add()
      await b.claim()
      await b.jobs.apply(last, { type: 'succeed', attempt: 1, result: result() })
      await until(() => [a, b].every(({ workers }) => workers.setAsideOf('w1') === null))
    })

    test('one that says goodbye to one is gone at another', async (t) => {
      const [a, b] = await two(t)
      a.workers.update('w1', { state: 'idle' })
      await until(() => b.workers.find('w1') !== undefined)
      a.workers.left('w1')
      await until(() => b.workers.find('w1') === undefined)
    })
  })

  describe(`coordinators over ${name}: news`, () => {
    test('a request at one that waits for a job hears of its end at another', async (t) => {
      const [a, b] = await two(t)
      const jobId = await a.add()
      const waiting = a.watch.result(jobId, new AbortController().signal)
      await b.claim()
      await b.jobs.apply(jobId, { type: 'succeed', attempt: 1, result: result() })
      assert.equal((await waiting).status, 'completed')
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
