import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { NOTHING, sumOf, type Counts } from '../../../coordinator/job/usage-counts.ts'
import type { Job, PendingJob } from '../../../coordinator/job/job.ts'
import { transition } from '../../../coordinator/job/transition.ts'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { PostgresJobStore } from '../../../coordinator/storage/postgres/job-store.ts'
import { DatabaseUsage } from '../../../coordinator/usage/database-usage.ts'
import { DAY } from '../../../shared/duration.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { at, CLAIM, failing, NOON, pendingJob, POLICY, result } from '../example-jobs.ts'

const TODAY = '2026-01-02'
const ONE: Counts = { ...NOTHING, jobs: 1, completed: 1, mediaMs: 60_000, workMs: 1_000 }

/** Two coordinators over a database. */
async function scene(t: TestContext) {
  const address = databaseAddress(await (await sharedPostgres()).database())
  const databases = [1, 2].map(() => new Database({ address, poolSize: 4 }))
  const [store, other] = databases.map(
    (database) => new PostgresJobStore({ database, now: () => NOON, policy: POLICY }),
  )
  t.after(async () => {
    for (const one of [store!, other!]) one.close()
    for (const database of databases) await database.close()
  })
  const usage = new DatabaseUsage(databases[1]!)
  return {
    store: store!,
    usage,
    add: async (different: Partial<PendingJob> = {}) => {
      const job = pendingJob({ submittedBy: 't_1', ...different })
      await store!.inTurn(job.jobId, async () => await store!.create(job))
      return job.jobId
    },
    apply: async (jobId: string, ...events: Parameters<typeof transition>[1][]): Promise<void> => {
      for (const event of events)
        await store!.inTurn(jobId, async () =>
          store!.mutate(jobId, (job) => transition(job, event, at(NOON))),
        )
    },
    /** By both at once: one of them does it. */
    remove: async (jobId: string): Promise<Job[]> => {
      const removed = [store!, other!].map(
        async (one) =>
          await one.inTurn(jobId, async () => await one.remove(jobId, () => undefined)),
      )
      return (await Promise.all(removed)).filter((job) => job !== null)
    },
    rows: async (day = TODAY): Promise<Record<string, Counts>> => {
      const found = await usage.on(day)
      return Object.fromEntries([...found].map(([token, counts]) => [token ?? 'key', counts]))
    },
  }
}

describe('the usage of tokens in PostgreSQL', { skip: noPostgres }, () => {
  test('follows each job by the day of its creation', async (t) => {
    const { add, apply, rows, usage } = await scene(t)
    const old = await add({ createdAt: NOON - DAY })
    await apply(await add(), CLAIM, { type: 'succeed', attempt: 1, result: result() })
    await add({ submittedBy: null })
    await apply(old, CLAIM, failing(1, 'invalid_media'))
    const { t_1: mine, key } = await rows()
    assert.deepEqual({ ...mine, workMs: 0 }, { ...ONE, workMs: 0 })
    assert.deepEqual(key, { ...NOTHING, jobs: 1 })
    assert.deepEqual(await rows('2026-01-01'), { t_1: { ...NOTHING, jobs: 1, failed: 1 } })
    assert.deepEqual(await usage.days('2025-12-31', '2026-01-05'), ['2026-01-01', TODAY])
    assert.deepEqual(await usage.days(TODAY, TODAY), [TODAY])
    assert.deepEqual(await usage.days('2026-01-03', '2026-01-05'), [])
  })

  test('has the length of a running job from its heartbeat on', async (t) => {
    const { add, apply, rows, usage } = await scene(t)
    const jobId = await add()
    await apply(jobId, CLAIM)
    assert.equal(await usage.mediaMsOf('t_1', TODAY), 0)
    const stage = '\0 "media_seconds":7'
    const beat = { stage, progress: 0.1, mediaSeconds: 90, processedSeconds: 9 }
    await apply(jobId, { type: 'heartbeat', attempt: 1, beat })
    assert.equal(await usage.mediaMsOf('t_1', TODAY), 90_000)
    assert.equal((await rows())['t_1']?.mediaMs, 90_000)
    assert.equal(await usage.mediaMsOf('t_2', TODAY), 0)
  })

  test('stays when jobs are removed, each once, though two coordinators remove it', async (t) => {
    const { add, apply, remove, rows, store, usage } = await scene(t)
    const made = await Promise.all(Array.from({ length: 12 }, async () => await add()))
    for (const jobId of made)
      await apply(jobId, CLAIM, { type: 'succeed', attempt: 1, result: result() })
    const before = await rows()
    const removed = await Promise.all(made.slice(0, 8).map(remove))
    assert.deepEqual(
      removed.map(({ length }) => length),
      Array.from({ length: 8 }, () => 1),
    )
    assert.deepEqual(await rows(), before)
    assert.equal((await store.counts())[0]?.counts.completed, 4)
    assert.equal(await usage.mediaMsOf('t_1', TODAY), 12 * 60_000)
    // A later job of the same id is another.
    await add({ jobId: made[0]! })
    assert.deepEqual(await rows(), { t_1: sumOf(before['t_1']!, { ...NOTHING, jobs: 1 }) })
    await Promise.all(made.slice(8).map(remove))
    assert.deepEqual(await usage.days(TODAY, TODAY), [TODAY])
  })
})
