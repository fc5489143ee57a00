import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { pino } from 'pino'
import { FileJobStore } from '../../coordinator/storage/file-job-store.ts'
import type { Job, PendingJob } from '../../coordinator/job/job.ts'
import type { JobQuery, OrderKey } from '../../coordinator/storage/job-store.ts'
import { JobTable, type JobRows } from '../../coordinator/storage/job-table.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { NOON, pendingJob, POLICY } from './example-jobs.ts'
import { jobStoreContract, type OpenStore } from './job-store-contract.ts'

async function open(t: TestContext, dir = tempFolder()): Promise<OpenStore> {
  const clock = { now: NOON }
  const now = (): number => clock.now
  const table = await JobTable.open({ dir, now, journalBytes: 1e9, onError: () => undefined })
  const store = new FileJobStore({ table, now, log: pino({ enabled: false }) })
  await store.resume(POLICY)
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> => {
    store.close()
    await (closing ??= table.close())
  }
  t.after(close)
  const reopen = async (): Promise<OpenStore> => {
    await close()
    return await open(t, dir)
  }
  return { store, clock, reopen }
}

jobStoreContract('in files', open)

test('a search through many jobs lets other work in between, and misses none', async () => {
  const job = pendingJob({ source: { ...pendingJob().source, filename: 'found.mp3' } })
  const many = [
    ...Array.from({ length: 2_500 }, (_, n) => pendingJob({ createdAt: NOON - n })),
    job,
  ]
  const from = (key?: OrderKey): Job[] =>
    key === undefined ? many : many.slice(many.indexOf(key as PendingJob) + 1)
  const table = { newest: ({ before }: JobQuery) => from(before) } as unknown as JobRows
  const store = new FileJobStore({ table, now: () => NOON, log: pino({ enabled: false }) })
  let turns = 0
  const count = (): void => {
    turns += 1
    setImmediate(count).unref()
  }
  count()
  const { jobs, isLast } = await store.list({ text: 'FOUND' }, 10)
  assert.deepEqual([jobs, isLast], [[job], true])
  assert.ok(turns >= 3, `${turns} turns`)
})

test('the counts of a submitter that are asked for late are as if they had been asked for from the start', async (t) => {
  const { store } = await open(t)
  const mine = pendingJob({ submittedBy: 'me' })
  for (const job of [mine, pendingJob()])
    await store.inTurn(job.jobId, async () => await store.create(job))
  const pending = async (by?: string): Promise<number | undefined> =>
    (await store.counts(by))[0]?.counts.pending
  assert.deepEqual([await pending('me'), await pending()], [1, 2])
  await store.inTurn(mine.jobId, async () => await store.remove(mine.jobId, () => undefined))
  assert.deepEqual([await pending('me'), await pending()], [undefined, 1])
})
