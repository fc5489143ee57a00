import assert from 'node:assert/strict'
import { after, test, type TestContext } from 'node:test'
import pino from 'pino'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { DatabaseClock } from '../../../coordinator/storage/postgres/clock.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { PostgresJobStore } from '../../../coordinator/storage/postgres/job-store.ts'
import { PostgresPeers } from '../../../coordinator/storage/postgres/peers.ts'
import { PostgresSignals } from '../../../coordinator/storage/postgres/signals.ts'
import { PostgresWorkerBoard } from '../../../coordinator/storage/postgres/worker-board.ts'
import { startContinuation } from '../../../coordinator/job/continuation.ts'
import { MINUTE, SECOND } from '../../../shared/duration.ts'
import { BreakingLine } from '../../shared/breaking-line.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { coordinatorsContract } from '../coordinators-contract.ts'
import { coordinator, type Coordinator, type Shared } from '../coordinators.ts'
import { POLICY, result } from '../example-jobs.ts'
import { until } from '../running.ts'

let database: Promise<Database> | null = null
after(async () => await (await database)?.close())

async function connect(): Promise<Database> {
  const url = await (await sharedPostgres()).database()
  return new Database({ address: databaseAddress(url), poolSize: 8 })
}

async function sql<R>(text: string): Promise<R[]> {
  return await (await (database ??= connect())).query<R>({ name: '', text })
}

async function sharedDatabase(t: TestContext): Promise<Shared> {
  const tables = ['jobs', 'leases', 'shelves', 'workers', 'directives', 'turns', 'tried_steps']
  await sql(tables.map((one) => `DELETE FROM morag.${one}`).join('; '))
  const all = await database!
  const clock = new DatabaseClock(
    async () => (await sql<{ now: number }>('SELECT morag.now_ms() AS now'))[0]!.now,
  )
  await clock.compare()
  const server = await sharedPostgres()
  const name = String(all.clientConfig().database)
  return async () => {
    const line = await BreakingLine.to(server.port, t)
    const url = server.url(name).replace(`:${server.port}`, `:${line.port}`)
    const direct = new Database({ address: databaseAddress(url) })
    const log = pino({ level: 'silent' })
    const signals = new PostgresSignals({ database: all, direct, log })
    const store = new PostgresJobStore({ database: all, now: clock.now, policy: POLICY })
    await store.start()
    signals.start()
    await until(() => signals.isListening)
    t.after(async () => {
      store.close()
      await signals.close()
      await direct.close()
    })
    return {
      store,
      peers: new PostgresPeers({ database: all, signals, now: clock.now, policy: POLICY }),
      board: new PostgresWorkerBoard(all, signals),
      deafen: async (known) => {
        if (!known) return void (line.swallows = true)
        line.break()
        await until(() => !signals.isListening)
      },
    }
  }
}

async function two(t: TestContext): Promise<[Coordinator, Coordinator]> {
  const join = await sharedDatabase(t)
  return [await coordinator(t, await join()), await coordinator(t, await join())]
}

if (noPostgres === false) coordinatorsContract('a database', sharedDatabase)

test('a turn is had by one of two, once in its time', { skip: noPostgres }, async (t) => {
  const [a, b] = await two(t)
  const had = async (): Promise<boolean[]> =>
    await Promise.all([a, b].map(async ({ peers }) => await peers.turn('retention', MINUTE)))
  assert.equal((await had()).filter(Boolean).length, 1)
  assert.deepEqual(await had(), [false, false])
  await sql('UPDATE morag.turns SET at = at - 60000')
  assert.equal((await had()).filter(Boolean).length, 1)
  // The clock of the database was set back.
  await sql('UPDATE morag.turns SET at = at + 3600000')
  assert.equal((await had()).filter(Boolean).length, 1)
})

test(
  'after a pause of all, attempts get a full term before any ends',
  { skip: noPostgres },
  async (t) => {
    const [a, b] = await two(t)
    const jobId = await a.add()
    await a.claim()
    await a.peers.turn('leases', SECOND)
    const paused = 10 * POLICY.leaseMs
    const shifted = `lease::jsonb || jsonb_build_object('expires_at', now.at, 'deadline_at', now.at)`
    await sql(`UPDATE morag.turns SET at = at - ${paused};
    UPDATE morag.leases SET due_at = due_at - ${paused}, rev = rev + 1, lease = (SELECT ${shifted} FROM (SELECT to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at) now)`)
    assert.equal(await b.peers.turn('leases', SECOND), true)
    assert.deepEqual(await b.store.overdue(null), [])
    const job = await b.jobs.get(jobId)
    assert.ok(
      job.status === 'processing' &&
        job.lease.expiresAt! > b.store.now() + POLICY.leaseMs - 5 * SECOND,
    )
    assert.ok(job.lease.deadlineAt > b.store.now() + paused - 5 * SECOND)
  },
)

test(
  'a due step is tried by one of two, and by another when that one is gone',
  { skip: noPostgres },
  async (t) => {
    const [a, b] = await two(t)
    const jobId = await a.add()
    await a.claim()
    await a.jobs.apply(jobId, { type: 'succeed', attempt: 1, result: result() })
    await a.store.inTurn(jobId, () =>
      a.store.mutate(jobId, (job) =>
        job.status === 'completed'
          ? { ...job, continuation: startContinuation('c1', ['webhook'], a.store.now()) }
          : job,
      ),
    )
    const due = async (one: Coordinator, running: string[] = []): Promise<string[]> =>
      (await one.peers.dueSteps({ most: 10, running })).map((job) => job.jobId)
    const [first, second] = await Promise.all([due(a), due(b)])
    assert.deepEqual([...first!, ...second!], [jobId])
    const [holder, other] = first!.length > 0 ? [a, b] : [b, a]
    assert.deepEqual([await due(holder, [jobId]), await due(other)], [[], []])
    // It has given it back.
    await holder.peers.dueSteps({ most: 0, running: [] })
    assert.deepEqual(await due(other), [jobId])
    await sql('UPDATE morag.tried_steps SET until_at = until_at - 180001')
    assert.deepEqual(await due(holder), [jobId])
  },
)

test(
  'a connection that hears nothing is found out, and replaced',
  { skip: noPostgres },
  async (t) => {
    await sharedDatabase(t)
    const server = await sharedPostgres()
    const all = await database!
    const line = await BreakingLine.to(server.port, t)
    const url = server
      .url(String(all.clientConfig().database))
      .replace(`:${server.port}`, `:${line.port}`)
    const direct = new Database({ address: databaseAddress(url) })
    const signals = new PostgresSignals({
      database: all,
      direct,
      log: pino({ level: 'silent' }),
      proofMs: 20,
      provedMs: 1_000,
    })
    t.after(async () => {
      await signals.close()
      await direct.close()
    })
    const heard: string[] = []
    signals.on(({ about }) => heard.push(about))
    signals.start()
    await until(() => signals.isListening)
    line.swallows = true
    await until(() => !signals.isListening)
    line.swallows = false
    line.cut()
    await until(() => signals.isListening)
    assert.deepEqual(heard, ['all', 'all'])
  },
)
