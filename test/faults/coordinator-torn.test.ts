import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { encode } from '../../coordinator/storage/journal-files.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { NOON, pendingJob } from '../coordinator/example-jobs.ts'
import { tempFolder } from '../shared/temp-folder.ts'

/** So many at a time: each waits for the disk. */
const LANES = 8

async function openStore(dir: string, told: string[] = []): Promise<JobTable> {
  const onError = (message: string): number => told.push(message)
  return await JobTable.open({ dir, now: () => NOON, journalBytes: 1e9, onError })
}

function idsOf(store: JobTable): Set<string> {
  return new Set([...store.newest()].map(({ jobId }) => jobId))
}

for (const [what, damage] of [
  ['torn off at', (last: Buffer, at: number) => last.subarray(0, at)],
  [
    'spoiled at',
    (last: Buffer, at: number) => Buffer.from(last.map((byte, n) => (n === at ? byte ^ 1 : byte))),
  ],
] as const) {
  test(`a journal whose last record is ${what} its beginning, end or middle costs that record alone, and takes new ones`, async () => {
    const folder = tempFolder()
    const [first, second, last] = [pendingJob(), pendingJob(), pendingJob()]
    const whole = Buffer.from([first, second].map((job) => encode({ put: toRecord(job) })).join(''))
    const record = Buffer.from(encode({ put: toRecord(last) }))
    const round = async (at: number): Promise<void> => {
      const dir = path.join(folder, String(at))
      mkdirSync(dir)
      const bytes = Buffer.concat([whole, damage(record, at)])
      writeFileSync(path.join(dir, 'journal.ndjson'), bytes)
      const told: string[] = []
      const store = await openStore(dir, told)
      assert.deepEqual(idsOf(store), new Set([first.jobId, second.jobId]), `byte ${at}`)
      const left = bytes.length - whole.length
      assert.equal(told.join().includes(`ends in ${left} bytes`), left > 0, `byte ${at}`)
      if (at % 64 > 0) return await store.close()
      const next = pendingJob()
      await store.put(next)
      await store.close()
      const again = await openStore(dir)
      assert.deepEqual(idsOf(again), new Set([first.jobId, second.jobId, next.jobId]), `byte ${at}`)
      await again.close()
    }
    // What a replay makes of every byte is tested where it is; here is what a start makes of it.
    const ends = (at: number): boolean => at < 4 || at > record.length - 4
    const offsets = [...record.keys()].filter((at) => ends(at) || at % 16 === 0).values()
    await Promise.all(
      Array.from({ length: LANES }, async () => {
        for (const at of offsets) await round(at)
      }),
    )
  })
}
