import assert from 'node:assert/strict'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { describe, mock, test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Job } from '../../coordinator/job/job.ts'
import { encode } from '../../coordinator/storage/journal-files.ts'
import { gate } from './gate.ts'
import { replayed } from './replayed.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { JobFolders } from '../../coordinator/storage/folders.ts'
import { JobTable, type JobTableOptions } from '../../coordinator/storage/job-table.ts'
import { AppError } from '../../shared/errors.ts'
import { STATUSES } from '../../shared/wire.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { after, CLAIM, failing, newJobId, NOON, oneOfEach, pendingJob } from './example-jobs.ts'

interface Opened {
  store: JobTable
  dir: string
  said: string[]
}

async function openStore(
  t: TestContext,
  dir = tempFolder(),
  different: Partial<JobTableOptions> = {},
): Promise<Opened> {
  const said: string[] = []
  const store = await JobTable.open({
    dir,
    now: () => NOON,
    journalBytes: 1e9,
    onError: (message) => said.push(message),
    ...different,
  })
  t.after(() => store.close().catch(() => undefined))
  return { store, dir, said }
}

/** What is in use is to be counted, without garbage that waits for its collection. */
function forcedCollection(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

function everything(store: JobTable): Map<string, Job> {
  return new Map([...store.newest()].map((job) => [job.jobId, job]))
}

/** Where the files of jobs are: id → folder. */
function placesIn(dir: string): Map<string, string> {
  return new Map(
    STATUSES.flatMap((status) =>
      readdirSync(path.join(dir, status)).map(
        (name) => [name.replace('.json', ''), status] as const,
      ),
    ),
  )
}

/** A copy of the data folder as a crash at this moment would leave it, for one who opens it. */
function crashed(dir: string, without: string[] = []): string {
  const copy = tempFolder()
  for (const name of [...STATUSES, 'journal.ndjson', 'journal.previous.ndjson']) {
    if (without.includes(name) || !existsSync(path.join(dir, name))) continue
    if (!statSync(path.join(dir, name)).isDirectory())
      writeFileSync(path.join(copy, name), readFileSync(path.join(dir, name)))
    else {
      mkdirSync(path.join(copy, name))
      for (const file of readdirSync(path.join(dir, name)).filter((one) => one.endsWith('.json')))
        if (statSync(path.join(dir, name, file)).isFile())
          writeFileSync(path.join(copy, name, file), readFileSync(path.join(dir, name, file)))
    }
  }
  return copy
}

function usage(pattern: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof AppError && error.code === 'usage' && pattern.test(error.message)
}

describe('a change', () => {
  test('is on the disk when the call resolves, before any folder follows', async (t) => {
    const { store, dir } = await openStore(t)
    const jobs = Object.values(oneOfEach())
    for (const job of jobs) await store.put(job)
    const moved = after(jobs[0]!, CLAIM)
    await store.put(moved)
    await store.remove(jobs[5]!.jobId)
    // Were nothing but the journal left of the data folder, all would be there.
    const { store: again } = await openStore(t, crashed(dir, [...STATUSES]))
    const expected = new Map(jobs.slice(0, 5).map((job) => [job.jobId, job]))
    expected.set(moved.jobId, moved)
    assert.deepEqual(everything(again), expected)
  })

  test('is seen only when it is safe', async (t) => {
    const { store } = await openStore(t)
    const job = pendingJob()
    const creating = store.put(job)
    assert.equal(store.get(job.jobId), undefined)
    assert.equal(store.size, 0)
    await creating
    assert.equal(store.get(job.jobId), job)
    const claimed = after(job, CLAIM)
    const updating = store.put(claimed)
    assert.equal(store.get(job.jobId), job)
    await updating
    assert.equal(store.get(job.jobId), claimed)
    const removing = store.remove(job.jobId)
    assert.equal(store.get(job.jobId), claimed)
    await removing
    assert.equal(store.get(job.jobId), undefined)
  })

  test('moves the job between the sets of ids by status', async (t) => {
    const { store } = await openStore(t)
    const job = pendingJob()
    const ids = (): string[][] =>
      STATUSES.map((status) => Array.from(store.inStatus(status), (one) => one.jobId))
    await store.put(job)
    assert.deepEqual(ids(), [[job.jobId], [], [], [], [], []])
    await store.put(after(job, CLAIM))
    assert.deepEqual(ids(), [[], [job.jobId], [], [], [], []])
    await store.put(after(job, CLAIM, failing(1, 'no_audio')))
    assert.deepEqual(ids(), [[], [], [], [job.jobId], [], []])
    await store.remove(job.jobId)
    assert.deepEqual(ids(), [[], [], [], [], [], []])
  })

  test('of progress is kept in memory alone', async (t) => {
    const { store, dir } = await openStore(t)
    const job = after(pendingJob(), CLAIM)
    assert.ok(job.status === 'processing')
    await store.put(job)
    const length = statSync(path.join(dir, 'journal.ndjson')).size
    const beaten = { ...job, lease: { ...job.lease, progress: 0.5 } }
    store.touch(beaten)
    assert.equal(store.get(job.jobId), beaten)
    assert.equal(statSync(path.join(dir, 'journal.ndjson')).size, length)
  })
})

test('jobs are listed newest first, from any of them on', async (t) => {
  const { store } = await openStore(t)
  const jobs = [3, 1, 2].map((n) => pendingJob({ createdAt: NOON + n }))
  for (const job of jobs) await store.put(job)
  const [third, first, second] = jobs as [Job, Job, Job]
  assert.deepEqual([...store.newest()], [third, second, first])
  assert.deepEqual([...store.newest({ before: second })], [first])
  await store.remove(second.jobId)
  assert.deepEqual([...store.newest({ before: second })], [first])
})

describe('opened again', () => {
  test('after a clean stop it gives the same jobs, from the folders alone', async (t) => {
    const { store, dir } = await openStore(t)
    const jobs = oneOfEach()
    for (const job of Object.values(jobs)) await store.put(job)
    const expected = everything(store)
    await store.close()
    assert.deepEqual(replayed(dir), { entries: [], ignoredBytes: 0 })
    assert.equal(existsSync(path.join(dir, 'journal.previous.ndjson')), false)
    assert.deepEqual(
      placesIn(dir),
      new Map(Object.entries(jobs).map(([status, { jobId }]) => [jobId, status])),
    )
    rmSync(path.join(dir, 'journal.ndjson'))
    const { store: again, said } = await openStore(t, dir)
    assert.deepEqual(everything(again), expected)
    for (const [status, { jobId }] of Object.entries(jobs))
      assert.deepEqual(
        Array.from(again.inStatus(status as Job['status']), (one) => one.jobId),
        [jobId],
      )
    assert.deepEqual(said, [])
    assert.deepEqual(again.quarantined, [])
  })

  test('after a clean stop it honours what a person did to the folders', async (t) => {
    const { store, dir } = await openStore(t)
    const [moved, removed, edited, broken] = [1, 2, 3, 4].map(() => pendingJob()) as [
      Job,
      Job,
      Job,
      Job,
    ]
    for (const job of [moved, removed, edited, broken]) await store.put(job)
    await store.close()
    const file = (status: string, jobId: string): string => path.join(dir, status, `${jobId}.json`)
    renameSync(file('pending', moved.jobId), file('cancelled', moved.jobId))
    rmSync(file('pending', removed.jobId))
    const text = readFileSync(file('pending', edited.jobId), 'utf8')
    writeFileSync(file('pending', edited.jobId), text.replace('"priority": 0', '"priority": 9'))
    writeFileSync(file('pending', broken.jobId), 'oops')
    const added = newJobId()
    const record = { content_type: 'video', source: { path: '/media/x.mp4', size_bytes: 1 } }
    writeFileSync(file('pending', added), JSON.stringify(record))
    const { store: again } = await openStore(t, dir)
    assert.equal(again.size, 3)
    assert.equal(again.get(moved.jobId)?.status, 'cancelled')
    assert.equal(again.get(removed.jobId), undefined)
    assert.equal(again.get(edited.jobId)?.priority, 9)
    assert.equal(again.get(added)?.contentType, 'video')
    assert.deepEqual(
      again.quarantined.map((one) => one.file),
      [path.join('pending', `${broken.jobId}.json`)],
    )
  })

  test('after a crash the journal wins over the folders, and they are repaired', async (t) => {
    const { store, dir } = await openStore(t)
    const [lost, moved, broken, removed] = [1, 2, 3, 4].map(() => pendingJob()) as [
      Job,
      Job,
      Job,
      Job,
    ]
    for (const job of [lost, moved, broken, removed]) await store.put(job)
    await store.put(after(moved, CLAIM))
    await store.remove(removed.jobId)
    const expected = everything(store)
    const copy = crashed(dir, [...STATUSES])
    for (const status of STATUSES) mkdirSync(path.join(copy, status))
    const stale = (job: Job, text = JSON.stringify(toRecord(job))): void =>
      writeFileSync(path.join(copy, 'pending', `${job.jobId}.json`), text)
    stale(moved)
    stale(removed)
    stale(broken, '{"half')
    const byHand = pendingJob()
    stale(byHand)
    const { store: again } = await openStore(t, copy)
    expected.set(byHand.jobId, byHand)
    assert.deepEqual(everything(again), expected)
    assert.deepEqual(
      placesIn(copy),
      new Map([...expected.values()].map(({ jobId, status }) => [jobId, status])),
    )
    assert.deepEqual(replayed(copy).entries, [], 'the folders hold it all: the journal starts anew')
  })

  test('after a power loss nothing is put aside that the journal has whole', async (t) => {
    const { store, dir } = await openStore(t)
    const jobs = [1, 2, 3].map(() => pendingJob())
    for (const job of jobs) await store.put(job)
    const copy = crashed(dir, [...STATUSES])
    for (const status of STATUSES) mkdirSync(path.join(copy, status))
    // What a disk keeps of files that were never synced.
    writeFileSync(path.join(copy, 'pending', `${jobs[0]!.jobId}.json`), '')
    writeFileSync(path.join(copy, 'pending', `${jobs[1]!.jobId}.json`), '\0'.repeat(4096))
    const { store: again } = await openStore(t, copy)
    assert.deepEqual(everything(again), everything(store))
    assert.deepEqual(again.quarantined, [])
    assert.deepEqual(readdirSync(path.join(copy, 'quarantine')), [])
  })

  test('over a torn journal it says how much was left out', async (t) => {
    const dir = tempFolder()
    const job = pendingJob()
    const line = encode({ put: toRecord(job) })
    writeFileSync(path.join(dir, 'journal.ndjson'), line + line.slice(0, 10))
    const { store, said } = await openStore(t, dir)
    assert.deepEqual(everything(store), new Map([[job.jobId, job]]))
    assert.equal(said.length, 1)
    assert.match(said[0]!, /10 bytes that were never acknowledged/)
  })
})

describe('a checkpoint', () => {
  test('brings the folders up to date and empties the journal', async (t) => {
    const { store, dir } = await openStore(t)
    const jobs = Object.values(oneOfEach())
    for (const job of jobs) await store.put(job)
    await store.remove(jobs[0]!.jobId)
    await store.checkpoint()
    assert.deepEqual(
      placesIn(dir),
      new Map(jobs.slice(1).map(({ jobId, status }) => [jobId, status])),
    )
    assert.deepEqual(replayed(dir).entries, [])
    const { store: again } = await openStore(t, crashed(dir, ['journal.ndjson']))
    assert.deepEqual(everything(again), everything(store))
  })

  test('that the folders cannot follow keeps every line of the journal, as do later ones', async (t) => {
    const { store, dir, said } = await openStore(t)
    const [one, two] = [pendingJob(), pendingJob()]
    // A folder where the file of the first job belongs.
    const obstacle = path.join(dir, 'pending', `${one.jobId}.json`)
    mkdirSync(obstacle)
    await store.put(one)
    await store.checkpoint()
    await store.put(two)
    await store.checkpoint()
    assert.match(store.foldersBehind ?? '', /EISDIR|directory/)
    assert.doesNotMatch(store.foldersBehind ?? '', /\//, 'strangers read it')
    assert.equal(said.length, 1, 'it says so once')
    const expected = everything(store)
    const { store: again } = await openStore(t, crashed(dir))
    assert.deepEqual(everything(again), expected, 'nothing is lost by a crash now')
    rmSync(obstacle, { recursive: true })
    await store.checkpoint()
    assert.equal(store.foldersBehind, null)
    assert.deepEqual(replayed(dir).entries, [])
    assert.equal(placesIn(dir).size, 2)
  })

  test('beside another one loses nothing', async (t) => {
    const { store, dir } = await openStore(t)
    for (let n = 0; n < 5; n += 1) {
      const jobs = Array.from({ length: 300 }, () => pendingJob())
      const saves = jobs.map((job) => store.put(job))
      const checkpoints = [store.checkpoint(), store.checkpoint()]
      await nextTurn()
      checkpoints.push(store.checkpoint())
      await Promise.all([...saves, ...checkpoints])
      const { store: again } = await openStore(t, crashed(dir))
      assert.deepEqual(everything(again), everything(store))
      await again.close()
    }
  })
})

/** The sizes of both segments together. */
function journalSize(dir: string): number {
  return ['journal.ndjson', 'journal.previous.ndjson']
    .map((name) => statSync(path.join(dir, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((a, b) => a + b)
}

describe('a journal under a load that does not stop', () => {
  const LIMIT = 20_000

  test('is never longer than twice its limit, and is emptied meanwhile', async (t) => {
    const { store, dir, said } = await openStore(t, tempFolder(), { journalBytes: LIMIT })
    let longest = 0
    let made = 0
    const side = async (): Promise<void> => {
      while (made < 120) {
        made += 1
        await store.put(pendingJob())
        longest = Math.max(longest, journalSize(dir), store.journalBytes)
      }
    }
    await Promise.all(Array.from({ length: 8 }, side))
    assert.ok(longest <= 2 * LIMIT, `${longest} bytes`)
    assert.ok(longest > LIMIT, 'it was in use')
    assert.equal(store.size, made)
    assert.deepEqual(said, [])
    const { store: again } = await openStore(t, crashed(dir))
    assert.deepEqual(everything(again), everything(store))
  })

  test('refuses what is beyond that where the folders cannot be written, and goes on when they can', async (t) => {
    const { store, dir, said } = await openStore(t, tempFolder(), { journalBytes: LIMIT })
    const stuck = pendingJob()
    const obstacle = path.join(dir, 'pending', `${stuck.jobId}.json`)
    mkdirSync(obstacle)
    await store.put(stuck)
    const taken: Job[] = [stuck]
    const refused = async (): Promise<unknown> => {
      for (;;) {
        const job = pendingJob()
        try {
          await store.put(job)
          taken.push(job)
        } catch (error) {
          return error
        }
      }
    }
    const error = await refused()
    assert.ok(error instanceof AppError && error.code === 'unavailable')
    assert.match(error.message, /cannot be emptied \(EISDIR.*free or mend/)
    assert.ok(journalSize(dir) <= 2 * LIMIT)
    assert.equal(store.failure, null)
    assert.match(store.foldersBehind ?? '', /EISDIR/)
    assert.equal(said.length, 1, 'it is said once')
    const { store: again } = await openStore(t, crashed(dir))
    assert.equal(again.size, taken.length)
    rmSync(obstacle, { recursive: true })
    await store.checkpoint()
    await store.put(pendingJob())
    assert.equal(store.foldersBehind, null)
  })

  test('that cannot be cut for a while is cut later, and that is said once', async (t) => {
    const { store, dir, said } = await openStore(t, tempFolder(), { journalBytes: 1_000 })
    const next = path.join(dir, 'journal.next.ndjson')
    mkdirSync(next)
    await store.put(pendingJob())
    await assert.rejects(async () => {
      for (;;) await store.put(pendingJob())
    }, /cannot be emptied/)
    assert.equal(said.length, 1)
    assert.match(store.foldersBehind ?? '', /EISDIR/)
    rmSync(next, { recursive: true })
    await store.checkpoint()
    await store.put(pendingJob())
    assert.deepEqual([store.failure, store.foldersBehind], [null, null])
  })
})

test('folders that lag behind are reported, and by how much', async (t) => {
  const clock = { now: 0 }
  const { store, dir } = await openStore(t, tempFolder(), { steady: () => clock.now })
  assert.equal(store.folderLagMs, 0)
  const { opened, open: release } = gate()
  const spy = mock.method(JobFolders.prototype, 'follow', async () => await opened)
  t.after(() => spy.mock.restore())
  await store.put(pendingJob())
  clock.now = 29_999
  assert.deepEqual([store.folderLagMs, store.foldersBehind], [29_999, null])
  clock.now = 42_000
  assert.match(store.foldersBehind ?? '', /lag 42 s behind/)
  spy.mock.restore()
  release()
  await store.checkpoint()
  assert.deepEqual([store.folderLagMs, store.foldersBehind], [0, null])
  assert.equal(placesIn(dir).size, 1)
})

test('a start over a long journal keeps of each job its newest state alone', async (t) => {
  const dir = tempFolder()
  const job = pendingJob({ taskOptions: { note: 'x'.repeat(10_000) } })
  const lines = Array.from({ length: 50 }, (_, n) =>
    encode({ put: toRecord({ ...job, priority: n }) }),
  ).join('')
  const file = openSync(path.join(dir, 'journal.ndjson'), 'w')
  for (let n = 0; n < 100; n += 1) writeSync(file, lines)
  closeSync(file)
  const collect = forcedCollection()
  const inUse = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = inUse()
  const opening = openStore(t, dir)
  let isOpen = false
  void opening.then(() => (isOpen = true))
  let most = 0
  while (!isOpen) {
    most = Math.max(most, inUse() - before)
    await nextTurn()
  }
  const { store } = await opening
  assert.equal(store.size, 1)
  assert.equal(store.get(job.jobId)?.priority, 49)
  assert.ok(most < 20e6, `${most} bytes more for a journal of ${lines.length * 100}`)
})

describe('the data folder', () => {
  test('is one coordinator’s: a second one is refused with a sentence', async (t) => {
    const { store, dir } = await openStore(t)
    await assert.rejects(openStore(t, dir), usage(/Another coordinator is running on .*--data-dir/))
    await store.close()
    await openStore(t, dir)
  })

  test('is made, with those above it', async (t) => {
    const dir = path.join(tempFolder(), 'a', 'b')
    const { store } = await openStore(t, dir)
    await store.put(pendingJob())
    assert.ok(existsSync(path.join(dir, 'pending')))
  })

  test('that cannot be made is wrong usage, and the sentence says what to do', async (t) => {
    const file = path.join(tempFolder(), 'file')
    writeFileSync(file, '')
    await assert.rejects(openStore(t, path.join(file, 'data')), usage(/cannot be used.*--data-dir/))
    await assert.rejects(openStore(t, file), usage(/cannot be used.*--data-dir/))
  })

  test('is free again when an open has failed', async (t) => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, 'pending'), 'a file where a folder belongs')
    await assert.rejects(openStore(t, dir), usage(/cannot be used/))
    rmSync(path.join(dir, 'pending'))
    await openStore(t, dir)
  })

  test('is free again after a close that could not empty the journal', async (t) => {
    const { store, dir } = await openStore(t)
    await store.put(pendingJob())
    rmSync(path.join(dir, 'journal.ndjson'))
    await assert.rejects(store.close())
    await openStore(t, dir)
  })
})

test('a disk that takes no more leaves the jobs as they were', async (t) => {
  const { store, dir } = await openStore(t)
  const before = pendingJob()
  await store.put(before)
  const handle = await open(dir, 'r')
  const spy = mock.method(Object.getPrototypeOf(handle) as FileHandle, 'write', () =>
    Promise.reject(new Error('ENOSPC: no space left on device')),
  )
  await handle.close()
  t.after(() => spy.mock.restore())
  const changes = await Promise.allSettled([
    store.put(pendingJob()),
    store.put(after(before, CLAIM)),
    store.remove(before.jobId),
  ])
  spy.mock.restore()
  changes.push(...(await Promise.allSettled([store.put(pendingJob())])))
  for (const change of changes) {
    assert.ok(change.status === 'rejected')
    assert.ok(change.reason instanceof AppError && change.reason.code === 'unavailable')
  }
  assert.deepEqual(everything(store), new Map([[before.jobId, before]]))
  assert.match(store.failure?.message ?? '', /ENOSPC.*restart/)
  await store.close()
})

for (let seed = 1; seed <= 4; seed += 1) {
  test(`a crash after any change brings back every job (seed ${seed})`, async (t) => {
    const random = seededRandom(seed)
    const { store, dir } = await openStore(t)
    const changes = async (): Promise<void> => {
      for (let n = 0; n < 40; n += 1) {
        const all = [...store.newest()]
        const job = random() < 0.4 || all.length === 0 ? null : pick(random, all)
        if (job === null) await store.put(pendingJob({ priority: Math.floor(random() * 5) }))
        else if (random() < 0.2) await store.remove(job.jobId)
        else if (job.status === 'pending') await store.put(after(job, CLAIM))
        else if (job.status === 'processing')
          await store.put(after(job, failing(job.attempts.length)))
        else await store.put(after(job, { type: 'retry', reserveFor: null }))
        if (random() < 0.1) await store.checkpoint()
      }
    }
    for (let round = 0; round < 4; round += 1) {
      await changes()
      const { store: again } = await openStore(t, crashed(dir))
      const expected = everything(store)
      assert.deepEqual(everything(again), expected)
      await again.close()
    }
  })
}
