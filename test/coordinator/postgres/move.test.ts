import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { pino } from 'pino'
import {
  moveText,
  moveToDatabase,
  moveToFiles,
  type MoveOptions,
} from '../../../coordinator/admin/move.ts'
import { TokensFile } from '../../../coordinator/access/tokens-file.ts'
import { Tokens } from '../../../coordinator/access/tokens.ts'
import { openFiles } from '../../../coordinator/file-storage.ts'
import type { Job } from '../../../coordinator/job/job.ts'
import type { Storage } from '../../../coordinator/open-storage.ts'
import { ownerOf } from '../../../coordinator/storage/data-folder.ts'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { PostgresJobStore } from '../../../coordinator/storage/postgres/job-store.ts'
import { dayOf } from '../../../coordinator/usage/days.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { tempFolder } from '../../shared/temp-folder.ts'
import { after, CLAIM, NOON, pendingJob, POLICY, result } from '../example-jobs.ts'

const SUCCEED = { type: 'succeed', attempt: 1, result: result() } as const
const log = pino({ level: 'silent' })

describe('moving jobs to a database', { skip: noPostgres }, () => {
  test('and back keeps every job, token, decision, secret and what removed jobs have used', async (t) => {
    const { options, dataDir, database } = await begin(t)
    const jobs = someJobs()
    const token = await fill(dataDir, jobs)
    const before = await contentOf(dataDir)
    assert.equal(before.jobs.length, jobs.length)

    const report = await moveToDatabase(options)
    assert.match(
      moveText(report, false),
      /^moved:\n {2}pending +2\n {2}processing +1\n {2}completed +1\n/,
    )
    await assert.rejects(openFiles({ dataDir, policy: POLICY }, log), /are in a database/)
    const store = new PostgresJobStore({ database, now: () => NOON, policy: POLICY })
    t.after(() => store.close())
    for (const job of before.jobs)
      assert.deepEqual(termless((await store.get(job.jobId))!), termless(job))
    assert.deepEqual(await openIn(database), ['audio'])

    await moveToFiles(options)
    assert.equal(await ownerOf(dataDir), null)
    const { jobs: again, ...rest } = await contentOf(dataDir)
    const { jobs: _, ...others } = before
    assert.deepEqual(again.map(termless), before.jobs.map(termless))
    assert.deepEqual(rest, others)
    assert.ok(new Tokens(new TokensFile(dataDir), () => NOON).holderOf(token))
    const left = await database.query({ name: '', text: 'SELECT job_id FROM morag.jobs' })
    assert.deepEqual(left, [])
  })

  test('goes on where it was cut short', async (t) => {
    const { options, dataDir, database } = await begin(t)
    const jobs = someJobs()
    await fill(dataDir, jobs)
    // As after a kill in the middle: some rows are there.
    await assert.rejects(moveToDatabase({ ...options, database: cutAfterJobs(database) }), /cut/)
    assert.equal(await ownerOf(dataDir), null)
    const { jobs: counts } = await moveToDatabase(options)
    assert.equal(
      Object.values(counts).reduce((sum, n) => sum + n),
      jobs.length,
    )
    // And again after its end: nothing is left to move.
    const { jobs: none } = await moveToDatabase(options)
    assert.deepEqual(new Set(Object.values(none)), new Set([0]))
  })

  test('is refused into a database with other jobs, and from a folder of another database', async (t) => {
    const { options, dataDir, database } = await begin(t)
    await fill(dataDir, someJobs())
    const store = new PostgresJobStore({ database, now: () => NOON, policy: POLICY })
    t.after(() => store.close())
    await store.start()
    const other = pendingJob()
    await store.create(other)
    await assert.rejects(
      moveToDatabase(options),
      new RegExp(`has jobs that .* like ${other.jobId}`),
    )
    await assert.rejects(moveToFiles(options), /are not those of the jobs of the database/)
    // Nothing has changed.
    const { jobs } = await contentOf(dataDir)
    assert.equal(jobs.length, someJobs().length)
    await writeFile(path.join(dataDir, 'data-folder'), 'another')
    await assert.rejects(moveToDatabase(options), /are in a database already/)
  })

  test('that is only tried changes nothing', async (t) => {
    const { options, dataDir, database } = await begin(t)
    await fill(dataDir, someJobs())
    const { jobs } = await moveToDatabase({ ...options, isDryRun: true })
    assert.equal(jobs.pending, 2)
    assert.deepEqual(await database.query({ name: '', text: 'SELECT job_id FROM morag.jobs' }), [])
    assert.equal((await contentOf(dataDir)).jobs.length, someJobs().length)
  })
})

/** A database that fails once the jobs are there. */
function cutAfterJobs(database: Database): Database {
  return new Proxy(database, {
    get(target, name) {
      if (name === 'transaction') throw new Error('cut')
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function begin(t: TestContext) {
  const dataDir = path.join(tempFolder(), 'data')
  const url = await (await sharedPostgres()).database()
  const database = new Database({ address: databaseAddress(url), poolSize: 2 })
  t.after(async () => await database.close())
  const onWarning = (message: string): void => assert.fail(message)
  const options: MoveOptions = { dataDir, database, isDryRun: false, now: () => NOON, onWarning }
  return { dataDir, database, options }
}

/** One of each kind. */
function someJobs(): Job[] {
  return [
    pendingJob({ priority: 5, submittedBy: 'a token' }),
    pendingJob({ ingestionTaskId: 'a\u0000 task 🎧' }),
    after(pendingJob(), CLAIM),
    after(pendingJob(), CLAIM, SUCCEED),
    after(pendingJob(), { type: 'cancel' }),
  ]
}

/** @returns a token. */
async function fill(dataDir: string, jobs: readonly Job[]): Promise<string> {
  await mkdir(path.dirname(dataDir), { recursive: true })
  const storage = await openFiles({ dataDir, policy: POLICY }, log)
  try {
    for (const job of jobs) await put(storage, job)
    await storage.workers.put('w9', {
      workerId: 'w9',
      directive: 'drain',
      lastSeenAt: NOON,
      setAside: null,
    })
    await storage.secrets.keep('secret', Buffer.from('0123'))
    const gone = after(pendingJob({ submittedBy: 'a token' }), { type: 'cancel' })
    await put(storage, gone)
    await storage.removing(
      gone,
      async () => void (await storage.jobs.remove(gone.jobId, () => undefined)),
    )
    storage.usage.onChange?.(gone, null)
    const tokens = new Tokens(storage.tokens, () => NOON)
    return (await tokens.create({ name: 'gpu', role: 'worker', types: null, lifeMs: null })).token
  } finally {
    await storage.close()
  }
}

async function put(storage: Storage, job: Job): Promise<void> {
  const { jobId } = job
  const waits = pendingJob({ jobId })
  await storage.jobs.inTurn(jobId, async () => {
    await storage.jobs.create(waits)
    storage.usage.onChange?.(null, waits)
    await storage.jobs.mutate(jobId, () => job)
    storage.usage.onChange?.(waits, job)
  })
}

/** The kinds of work that coordinators know to wait. */
async function openIn(database: Database): Promise<unknown[]> {
  const text = 'SELECT content_type FROM morag.shelves'
  return (await database.query({ name: '', text })).map((row) => row['content_type'])
}

/** Every start gives running attempts a fresh term. */
function termless(job: Job): unknown {
  return job.status === 'processing' ? { ...job, lease: job.lease.claimId } : job
}

async function contentOf(dataDir: string) {
  const storage = await openFiles({ dataDir, policy: POLICY }, log)
  try {
    const { jobs } = await storage.jobs.list({}, 100)
    const usage = await storage.usage.on(dayOf(NOON))
    return {
      jobs,
      tokens: storage.tokens.get(),
      uses: [...(await storage.tokens.uses())],
      workers: await storage.workers.all(),
      usage: Object.fromEntries(usage),
      secret: await storage.secrets.read('secret'),
    }
  } finally {
    await storage.close()
  }
}
