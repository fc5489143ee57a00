import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { pino } from 'pino'
import type { Job, PendingJob } from '../../coordinator/job/job.ts'
import { UNKNOWN_ABILITY } from '../../coordinator/job/requirements.ts'
import { transition } from '../../coordinator/job/transition.ts'
import { FileJobStore } from '../../coordinator/storage/file-job-store.ts'
import type { JobStore, Order } from '../../coordinator/storage/job-store.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { databaseAddress } from '../../coordinator/storage/postgres/address.ts'
import { DatabaseClock } from '../../coordinator/storage/postgres/clock.ts'
import { Database } from '../../coordinator/storage/postgres/database.ts'
import { PostgresJobStore } from '../../coordinator/storage/postgres/job-store.ts'
import { timeOfDay } from '../../shared/time-of-day.ts'
import { pendingJob, POLICY, result } from '../../test/coordinator/example-jobs.ts'
import { noPostgres, PostgresServer } from '../../test/shared/postgres-server.ts'
import { treeCpuSeconds } from './cpu-time.ts'
import { median, type Measure } from './report.ts'

const CYCLES = 3_000
const CALLERS = 32
const CLAIMS = 200
const PART = 2_000
const BEATING = 500
const ROUNDS = 20
const WAITING = [100, 100_000] as const

/** What jobs in PostgreSQL cost, without HTTP, beside jobs in files: create, claim, complete, each durable. */
export async function scale(folder: string): Promise<Measure[]> {
  if (noPostgres !== false) return [{ name: noPostgres, value: '' }]
  const files = await openFiles(path.join(folder, 'scale'))
  const fileMs = await cpuPerCycle(files.store)
  await files.close()
  const server = await PostgresServer.start({ isDurable: true, config: ['shared_buffers=256MB'] })
  try {
    const sides = []
    for (const waiting of WAITING) sides.push(await openDatabase(await server.database(), waiting))
    const costs: { node: number; postgres: number; perSecond: number }[] = []
    for (const { store } of sides) {
      const before = treeCpuSeconds(server.pid)
      const node = await cpuPerCycle(store)
      const postgres = ((treeCpuSeconds(server.pid) - before) * 1000) / CYCLES
      costs.push({ ...node, node: node.node, postgres })
    }
    const beats = await cpuPerBeat(sides[0]!.store, () => treeCpuSeconds(server.pid))
    const times = await claimTimes(sides.map(({ store }) => store))
    for (const { close } of sides) await close()
    const ratio = times[1]! / times[0]!
    const shown = (ms: number): string => `${ms.toFixed(2)} ms`
    return [
      { name: 'CPU of a cycle in files, Node', value: shown(fileMs.node) },
      { name: '  cycles a second', value: fileMs.perSecond.toFixed(0) },
      ...WAITING.flatMap((waiting, index) => [
        { name: `CPU of a cycle, ${waiting} waiting, Node`, value: shown(costs[index]!.node) },
        { name: '  PostgreSQL', value: shown(costs[index]!.postgres) },
        { name: '  cycles a second', value: costs[index]!.perSecond.toFixed(0) },
      ]),
      { name: 'Node, to files', value: (costs[0]!.node / fileMs.node).toFixed(2) },
      { name: 'CPU of a heartbeat, Node', value: `${(beats.node * 1000).toFixed(0)} µs` },
      { name: '  PostgreSQL', value: `${(beats.postgres * 1000).toFixed(0)} µs` },
      ...WAITING.map((waiting, index) => ({
        name: `claim, ${waiting} waiting (median)`,
        value: shown(times[index]!),
      })),
      { name: 'ratio', value: ratio.toFixed(2), promise: 'at most 1.5', kept: ratio <= 1.5 },
    ]
  } finally {
    server.stop()
  }
}

async function openFiles(dir: string) {
  const table = await JobTable.open({
    dir,
    now: timeOfDay,
    journalBytes: 64 * 1024 * 1024,
    onError: console.error,
  })
  const store = new FileJobStore({ table, now: timeOfDay, log: pino({ enabled: false }) })
  await store.resume(POLICY)
  const close = async (): Promise<void> => {
    store.close()
    await table.close()
  }
  return { store, close }
}

/** A store with so many jobs that wait: copies of one, a millisecond apart. */
async function openDatabase(url: string, waiting: number) {
  const database = new Database({ address: databaseAddress(url) })
  const clock = DatabaseClock.of(database)
  await clock.compare()
  const store = new PostgresJobStore({ database, now: clock.now, policy: POLICY })
  await store.start()
  const { jobId } = await create(store)
  // In parts: no statement may take long.
  for (let from = 1; from < waiting; from += PART) {
    const until = Math.min(waiting, from + PART) - 1
    const text = `INSERT INTO morag.jobs SELECT (json_populate_record(j, json_build_object('job_id', id, 'mark', id,
        'created_at', j.created_at - n, 'record', replace(j.record::text, '${jobId}', id::text)::json))).*
      FROM morag.jobs j, (SELECT gen_random_uuid() AS id, n FROM generate_series(${from}, ${until}) n OFFSET 0) made
      WHERE j.job_id = '${jobId}'`
    await database.query({ name: '', text })
  }
  await database.query({ name: '', text: 'VACUUM ANALYZE morag.jobs' })
  const close = async (): Promise<void> => {
    store.close()
    await database.close()
  }
  return { store, close }
}

async function cpuPerCycle(store: JobStore): Promise<{ node: number; perSecond: number }> {
  const [cpu, from] = [process.cpuUsage(), performance.now()]
  let left = CYCLES
  const caller = async (_: unknown, n: number): Promise<void> => {
    while ((left -= 1) >= 0) {
      await create(store)
      await complete(store, await claim(store, `w${n}`))
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - from) / 1000
  return { node: (user + system) / 1000 / CYCLES, perSecond: CYCLES / seconds }
}

/** Renewals of many leases, as they come from a farm. */
async function cpuPerBeat(
  store: JobStore,
  cpuSeconds: () => number,
): Promise<{ node: number; postgres: number }> {
  const held: Job[] = []
  while (held.length < BEATING) {
    await create(store)
    held.push(...(await claim(store, `w${held.length}`)))
  }
  const [cpu, before] = [process.cpuUsage(), cpuSeconds()]
  for (let round = 1; round <= ROUNDS; round += 1)
    await Promise.all(held.map((job) => beat(store, job, round / ROUNDS)))
  const { user, system } = process.cpuUsage(cpu)
  const count = BEATING * ROUNDS
  return {
    node: (user + system) / 1000 / count,
    postgres: ((cpuSeconds() - before) * 1000) / count,
  }
}

async function beat(store: JobStore, { jobId }: Job, progress: number): Promise<void> {
  const report = { stage: 'decoding', progress, mediaSeconds: 60, processedSeconds: 9 }
  const event = { type: 'heartbeat', attempt: 1, beat: report } as const
  await store.inTurn(jobId, async () =>
    store.mutate(jobId, (job, now) => transition(job, event, { now, random: 0, policy: POLICY })),
  )
}

/** The median time of a claim alone, of each store: asked in turn. */
async function claimTimes(stores: readonly JobStore[]): Promise<number[]> {
  const times = stores.map(() => [] as number[])
  for (let n = 0; n < CLAIMS; n += 1)
    for (const [index, store] of stores.entries()) {
      await create(store)
      const from = performance.now()
      const jobs = await claim(store, 'alone')
      times[index]!.push(performance.now() - from)
      await complete(store, jobs)
    }
  return times.map((one) => median(one.slice(50)))
}

async function create(store: JobStore): Promise<PendingJob> {
  const now = Math.floor(store.now())
  const job = pendingJob({ jobId: randomUUID(), createdAt: now, availableAt: now })
  await store.inTurn(job.jobId, async () => await store.create(job))
  return job
}

async function claim(store: JobStore, workerId: string): Promise<Job[]> {
  const claimId = randomUUID()
  const event = { type: 'claim', workerId, tokenId: null, claimId, leased: true } as const
  const order: Order = {
    workerId,
    tokenId: null,
    claimId,
    contentTypes: ['audio'],
    most: 1,
    ability: UNKNOWN_ABILITY,
    isAgain: (job) => job.lease.claimId === claimId,
  }
  const take = (job: Job, now: number): Job =>
    transition(job, event, { now, random: 0, policy: POLICY })
  for (;;) {
    const taken = await store.claim(order, { take, taken: () => undefined })
    if (taken !== null && taken.fresh.length > 0) return taken.fresh
  }
}

async function complete(store: JobStore, jobs: readonly Job[]): Promise<void> {
  for (const { jobId } of jobs)
    await store.inTurn(jobId, async () =>
      store.mutate(jobId, (job, now) =>
        transition(
          job,
          { type: 'succeed', attempt: 1, result: result(jobId) },
          { now, random: 0, policy: POLICY },
        ),
      ),
    )
}
