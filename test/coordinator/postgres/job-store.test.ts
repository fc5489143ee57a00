import assert from 'node:assert/strict'
import { after, describe, test, type TestContext } from 'node:test'
import type { Job, JobEvent, PendingJob, ProcessingJob } from '../../../coordinator/job/job.ts'
import { UNKNOWN_ABILITY } from '../../../coordinator/job/requirements.ts'
import { transition } from '../../../coordinator/job/transition.ts'
import type { JobStore, Order, Taken } from '../../../coordinator/storage/job-store.ts'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { PostgresJobStore } from '../../../coordinator/storage/postgres/job-store.ts'
import { MINUTE, SECOND } from '../../../shared/duration.ts'
import { BreakingLine } from '../../shared/breaking-line.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { at, failing, NOON, pendingJob, POLICY } from '../example-jobs.ts'
import { jobStoreContract, type OpenStore } from '../job-store-contract.ts'

/** Of all tests: a database each would take longer than they do. */
let shared: Promise<Database> | null = null
after(async () => await (await shared)?.close())

async function connect(): Promise<Database> {
  const url = await (await sharedPostgres()).database()
  return new Database({ address: databaseAddress(url), poolSize: 4 })
}

async function open(t: TestContext): Promise<OpenStore> {
  const database = await (shared ??= connect())
  const empty = 'DELETE FROM morag.jobs; DELETE FROM morag.leases; DELETE FROM morag.shelves'
  await database.query({ name: '', text: empty })
  return await over(t, database)
}

async function over(t: TestContext, database: Database): Promise<OpenStore> {
  const clock = { now: NOON }
  const store = new PostgresJobStore({ database, now: () => clock.now, policy: POLICY })
  await store.start()
  t.after(() => store.close())
  const reopen = async (): Promise<OpenStore> => await over(t, database)
  return { store, clock, reopen }
}

if (noPostgres === false) jobStoreContract('in PostgreSQL', open)

/** Another store over the same jobs, with the same clock. */
async function beside(t: TestContext, { clock }: OpenStore): Promise<JobStore> {
  const store = new PostgresJobStore({
    database: await shared!,
    now: () => clock.now,
    policy: POLICY,
  })
  await store.start()
  t.after(() => store.close())
  return store
}

async function two(t: TestContext) {
  const one = await open(t)
  return { ...one, other: await beside(t, one), database: await shared! }
}

async function added(store: JobStore, different: Partial<PendingJob> = {}): Promise<PendingJob> {
  const job = pendingJob(different)
  await store.inTurn(job.jobId, async () => await store.create(job))
  return job
}

async function applied(store: JobStore, jobId: string, event: JobEvent): Promise<Job> {
  const change = (job: Job, now: number): Job => transition(job, event, at(now))
  return (await store.inTurn(jobId, async () => await store.mutate(jobId, change)))!.after
}

async function claimed(store: JobStore, different: Partial<Order> = {}): Promise<Taken> {
  const order = {
    workerId: 'w1',
    tokenId: null,
    claimId: 'c1',
    contentTypes: ['audio'],
    most: 1,
    ability: UNKNOWN_ABILITY,
    ...different,
  }
  const { workerId, tokenId, claimId } = order
  const event = { type: 'claim', workerId, tokenId, claimId, leased: true } as const
  const take = (job: Job, now: number): Job => transition(job, event, at(now))
  return (await store.claim(order, { take, taken: () => undefined }))!
}

const BEAT = { stage: 'decoding', progress: 0.5, mediaSeconds: null, processedSeconds: null }

describe('jobs in PostgreSQL, which two coordinators change', { skip: noPostgres }, () => {
  test('the first to create an id wins', async (t) => {
    const { store, other } = await two(t)
    const job = pendingJob()
    const both = await Promise.all([store.create(job), other.create({ ...job, priority: 9 })])
    assert.equal(both.filter(({ before }) => before === null).length, 1)
    assert.deepEqual(both[0].after, both[1].after)
  })

  test('a change that loses begins again with what the other has made', async (t) => {
    const { store, other } = await two(t)
    const { jobId } = await added(store)
    const seen: number[] = []
    const mutation = await store.mutate(jobId, async (job) => {
      seen.push(job.priority)
      if (seen.length === 1)
        await other.mutate(jobId, (one) => ({ ...one, priority: one.priority + 5 }))
      return { ...job, priority: job.priority + 1 }
    })
    assert.deepEqual([seen, mutation?.after.priority], [[0, 5], 6])
    assert.equal((await other.get(jobId))?.priority, 6)
  })

  test('each change has a later version, also of a job in the place of one that was removed', async (t) => {
    const { store, other, clock } = await two(t)
    const job = await added(store)
    const { fresh } = await claimed(store)
    const given = await applied(other, job.jobId, { type: 'cancel' })
    await other.remove(job.jobId, () => undefined)
    clock.now += MINUTE
    const again = { ...job }
    await store.create(again)
    const versions = [job, ...fresh, given, again].map((one) => store.versionOf!(one)!)
    assert.deepEqual(new Set(versions).size, 4)
    assert.deepEqual(
      versions,
      versions.toSorted((a, b) => a - b),
    )
    // What was made of the first is no change of the second.
    assert.equal((await other.get(job.jobId))?.status, 'pending')
  })

  test('of two hundred claims each of a hundred jobs goes to one', async (t) => {
    const { store, other } = await two(t)
    const made = await Promise.all(Array.from({ length: 100 }, async () => await added(store)))
    const given: string[] = []
    // What the other looks at in a moment is skipped, and there for the next call.
    while (given.length < 100) {
      const claims = Array.from({ length: 200 }, async (_, n) =>
        claimed(n % 2 === 0 ? store : other, { workerId: `w${n}`, isAgain: () => false }),
      )
      const fresh = (await Promise.all(claims)).flatMap((one) => one.fresh)
      given.push(...fresh.map(({ jobId }) => jobId))
    }
    const ids = made.map(({ jobId }) => jobId)
    assert.deepEqual(given.toSorted(), ids.toSorted())
    assert.deepEqual([(await other.running()).length, await store.waiting()], [100, []])
  })

  test('the same claim asked again of the other gives the same jobs', async (t) => {
    const { store, other } = await two(t)
    for (let n = 0; n < 3; n += 1) await added(store)
    const { fresh } = await claimed(store, { most: 2 })
    const isAgain = (job: ProcessingJob): boolean => job.lease.claimId === 'c1'
    const second = await claimed(other, { most: 2, isAgain })
    assert.deepEqual(second, { again: fresh, fresh: [] })
  })

  test('a renewal by one is seen by the other, and none comes after the end', async (t) => {
    const { store, other, clock } = await two(t)
    const { jobId } = await added(store)
    await claimed(store)
    clock.now += SECOND
    await applied(store, jobId, { type: 'heartbeat', attempt: 1, beat: BEAT })
    const [held] = await other.heldBy('w1')
    assert.deepEqual([held?.lease.progress, held?.lease.movedAt], [0.5, clock.now])
    const beats = [store, other].map(async (one) =>
      applied(one, jobId, { type: 'heartbeat', attempt: 1, beat: { ...BEAT, progress: 0.6 } }),
    )
    await Promise.all(beats)
    await applied(other, jobId, { type: 'release', attempt: 1 })
    const late = applied(store, jobId, { type: 'heartbeat', attempt: 1, beat: BEAT })
    await assert.rejects(late, /no longer holds/)
  })

  test('a job whose time has come is announced by one of them', async (t) => {
    const { store, other, clock } = await two(t)
    const announced: string[] = []
    for (const one of [store, other]) one.onWork((job) => announced.push(job.jobId))
    const { jobId } = await added(store, { availableAt: NOON + MINUTE })
    clock.now += MINUTE
    await Promise.all([store.overdue(null), other.overdue(null)])
    assert.deepEqual(announced, [jobId])
  })

  test('attempts whose leases a crash of the server took have a full term', async (t) => {
    const { store, other, clock, database } = await two(t)
    const { jobId } = await added(store)
    await claimed(store)
    clock.now += 5 * POLICY.leaseMs
    await database.query({ name: '', text: 'TRUNCATE morag.leases' })
    const [held] = await other.heldBy('w1')
    assert.equal(held?.lease.expiresAt, clock.now + POLICY.leaseMs)
    assert.deepEqual(await other.overdue(null), [])
    clock.now += POLICY.leaseMs
    assert.deepEqual(await store.overdue(null), [{ jobId, type: 'lease_expired' }])
    await applied(store, jobId, { type: 'heartbeat', attempt: 1, beat: BEAT })
    assert.deepEqual(await store.overdue(null), [])
  })

  test('texts and times that columns do not take are kept as they are', async (t) => {
    const { store, other } = await two(t)
    const odd = 'a\0b\ud800'
    const source = { ...pendingJob().source, filename: `Odd ${odd}.mp3` }
    const contentType = `odd ${'long '.repeat(2_000)}`
    const taskOptions = { languages: 'de,fr', own: odd }
    const job = await added(store, {
      source,
      contentType,
      taskOptions,
      ingestionTaskId: `${odd}${'x'.repeat(9_000)}`,
      submittedBy: odd,
      priority: 2 ** 50,
    })
    assert.deepEqual(await other.get(job.jobId), job)
    assert.deepEqual(await other.ofTask(job.ingestionTaskId), [job])
    assert.deepEqual((await other.list({ contentType, text: 'ODD', submittedBy: odd }, 9)).jobs, [
      job,
    ])
    const { fresh } = await claimed(other, { contentTypes: [contentType], workerId: `${odd} w` })
    assert.deepEqual(await store.heldBy(`${odd} w`), fresh)
    const retried = await applied(store, job.jobId, failing(1))
    assert.equal(retried.status, 'pending')
  })

  test('a search through many jobs finds the last of them', async (t) => {
    const { store, database } = await two(t)
    const { jobId } = await added(store, { source: { ...pendingJob().source, filename: 'x y z' } })
    // Younger copies of another job.
    const copy = await added(store)
    const copies = `INSERT INTO morag.jobs SELECT (json_populate_record(j, json_build_object(
      'job_id', gen_random_uuid(), 'created_at', j.created_at + n))).*
      FROM morag.jobs j, generate_series(1, 10500) n WHERE j.job_id = '${copy.jobId}'`
    await database.query({ name: '', text: copies })
    const { jobs, isLast } = await store.list({ text: 'X Y' }, 5)
    assert.deepEqual([jobs.map((job) => job.jobId), isLast], [[jobId], true])
  })

  test('all that have ended are found, however many ended at one instant', async (t) => {
    const { store, database } = await two(t)
    const { jobId } = await added(store)
    await applied(store, jobId, { type: 'cancel' })
    const copies = `INSERT INTO morag.jobs SELECT (json_populate_record(j, json_build_object(
      'job_id', gen_random_uuid()))).*
      FROM morag.jobs j, generate_series(1, 1200) n WHERE j.job_id = '${jobId}'`
    await database.query({ name: '', text: copies })
    let count = 0
    const ids = new Set<string>()
    for await (const job of store.ended(['cancelled'])) {
      ids.add(job.jobId)
      count += 1
      if (count === 1) await store.remove(job.jobId, () => undefined)
    }
    assert.deepEqual([count, ids.size], [1201, 1201])
  })

  test('a claim or a change whose answer is lost happened once', async (t) => {
    const { store, clock } = await two(t)
    const server = await sharedPostgres()
    const line = await BreakingLine.to(server.port, t)
    const { database: name } = (await (
      await shared!
    ).one<{ database: string }>({ name: '', text: 'SELECT current_database() AS database' }))!
    const url = server.url(name).replace(`:${server.port}/`, `:${line.port}/`)
    const database = new Database({ address: databaseAddress(url), poolSize: 2 })
    t.after(async () => await database.close())
    const far = new PostgresJobStore({ database, now: () => clock.now, policy: POLICY })
    const { jobId } = await added(store)
    await far.start()
    const loseNext = (text: string): void => {
      line.losesAnswer = (sent) => {
        const isLost = sent.includes(text)
        if (isLost) line.losesAnswer = () => false
        return isLost
      }
    }
    loseNext('COMMIT')
    const { fresh } = await claimed(far)
    assert.deepEqual(
      fresh.map((job) => job.jobId),
      [jobId],
    )
    loseNext('UPDATE morag.jobs')
    const after = await applied(far, jobId, { type: 'release', attempt: 1 })
    assert.deepEqual(await store.get(jobId), after)
    assert.equal(after.attempts.length, 1)
    loseNext('INSERT INTO morag.jobs')
    const job = pendingJob()
    assert.equal((await far.create(job)).before, null)
    assert.deepEqual(await store.get(job.jobId), job)
    loseNext('DELETE FROM morag.jobs')
    const gone = await far.inTurn(
      job.jobId,
      async () => await far.remove(job.jobId, () => undefined),
    )
    assert.deepEqual(gone, job)
    assert.equal(await store.get(job.jobId), undefined)
  })
})
