import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { describe, mock, test, type TestContext } from 'node:test'
import type { JournalEntry } from '../../coordinator/storage/journal-files.ts'
import { Journal } from '../../coordinator/storage/journal.ts'
import { replayed } from '../coordinator/replayed.ts'
import { AppError } from '../../shared/errors.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { mountDisk, NO_MOUNT } from './small-disk.ts'

const MIB = 1024 * 1024

const put = (n: number, text = 'some text'): JournalEntry => ({ put: { job_id: `job ${n}`, text } })

/** Stands in for a disk that takes only so many bytes; `most` can be changed. */
async function limitWrites(t: TestContext, limit: { most: number }): Promise<void> {
  const handle = await open('/dev/null', 'r')
  const proto = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  // oxlint-disable-next-line typescript/unbound-method -- called on the handle it is asked of
  const real = proto.write as unknown as (...args: unknown[]) => Promise<{ bytesWritten: number }>
  const spy = mock.method(
    proto,
    'write',
    async function (this: FileHandle, bytes: Buffer, from: number, length: number, at: number) {
      const room = Math.min(length, limit.most - at)
      if (room <= 0)
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
      return await real.call(this, bytes, from, room, at)
    },
  )
  t.after(() => spy.mock.restore())
}

function isFull(error: unknown): boolean {
  return error instanceof AppError && error.code === 'no_space' && /507|space/.test(error.message)
}

describe('a journal on a full disk', () => {
  test('refuses what does not fit, keeps nothing of it, and goes on once there is space', async (t) => {
    const limit = { most: 1e6 }
    await limitWrites(t, limit)
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    const whole = readFileSync(path.join(dir, 'journal.ndjson'))
    // Every length that a disk can take of a line, none at all among them.
    for (let room = 0; room < whole.length; room += 1) {
      limit.most = whole.length + room
      await assert.rejects(journal.append(put(2)), isFull, `room for ${room}`)
      assert.deepEqual(readFileSync(path.join(dir, 'journal.ndjson')), whole, `room for ${room}`)
      assert.equal(journal.failure, null)
    }
    limit.most = 1e6
    await journal.append(put(3))
    await journal.close()
    assert.deepEqual(replayed(dir), { entries: [put(1), put(3)], ignoredBytes: 0 })
  })

  test('refuses all that would have shared the write, and each may come again', async (t) => {
    const limit = { most: 1e6 }
    await limitWrites(t, limit)
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    limit.most = journal.bytes + 40
    const refused = await Promise.allSettled([2, 3, 4].map((n) => journal.append(put(n))))
    assert.deepEqual(
      refused.map((one) => one.status),
      ['rejected', 'rejected', 'rejected'],
    )
    limit.most = 1e6
    await Promise.all([2, 3, 4].map((n) => journal.append(put(n))))
    await journal.close()
    assert.deepEqual(
      replayed(dir).entries,
      [1, 2, 3, 4].map((n) => put(n)),
    )
  })

  test('has what it refused nowhere, also after a crash: it is taken back before the answer', async (t) => {
    const limit = { most: 1e6 }
    await limitWrites(t, limit)
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    const handle = await open(dir, 'r')
    const proto = Object.getPrototypeOf(handle) as FileHandle
    await handle.close()
    const asked: string[] = []
    for (const name of ['truncate', 'datasync'] as const) {
      const real = proto[name] as (this: FileHandle, length?: number) => Promise<void>
      const spy = mock.method(proto, name, async function (this: FileHandle, length?: number) {
        asked.push(name)
        await real.call(this, length)
      })
      t.after(() => spy.mock.restore())
    }
    limit.most = journal.bytes + 40
    await assert.rejects(journal.append(put(2)), isFull)
    assert.deepEqual(asked, ['truncate', 'datasync'])
    await journal.close()
  })

  test('takes nothing more when what it refused cannot be taken back', async (t) => {
    const limit = { most: 1e6 }
    await limitWrites(t, limit)
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    const handle = await open(dir, 'r')
    const proto = Object.getPrototypeOf(handle) as FileHandle
    await handle.close()
    const spy = mock.method(proto, 'truncate', () => Promise.reject(new Error('EIO')))
    t.after(() => spy.mock.restore())
    limit.most = journal.bytes + 40
    const unavailable = { code: 'unavailable' }
    await assert.rejects(journal.append(put(2)), unavailable)
    limit.most = 1e6
    await assert.rejects(journal.append(put(3)), unavailable)
    assert.match(journal.failure?.message ?? '', /ENOSPC.*restart/)
    await journal.close()
  })

  for (let seed = 1; seed <= 4; seed += 1) {
    test(`holds exactly what it acknowledged, however it fills and empties (seed ${seed})`, async (t) => {
      const random = seededRandom(seed)
      const limit = { most: 1e6 }
      await limitWrites(t, limit)
      const dir = tempFolder()
      const journal = await Journal.start(dir)
      const acknowledged: number[] = []
      let n = 0
      for (let round = 0; round < 100; round += 1) {
        limit.most = random() < 0.5 ? 1e6 : journal.bytes + Math.floor(random() * 300)
        const batch = Array.from({ length: 1 + Math.floor(random() * 4) }, () => (n += 1))
        const settled = await Promise.allSettled(
          batch.map((one) => journal.append(put(one, 'x'.repeat(Math.floor(random() * 50))))),
        )
        settled.forEach(({ status }, at) => {
          if (status === 'fulfilled') acknowledged.push(batch[at]!)
        })
        const { entries, ignoredBytes } = replayed(dir)
        assert.equal(ignoredBytes, 0)
        assert.deepEqual(
          entries.map((entry) => ('put' in entry ? (entry.put as { job_id: string }).job_id : '')),
          acknowledged.map((one) => `job ${one}`),
        )
      }
      await journal.close()
    })
  }

  test('is not cut where there is no room for another file, and goes on uncut', async (t) => {
    // The folder, the journal and a filler.
    const disk = await mountDisk(MIB, 3)
    if (disk === null) return t.skip(NO_MOUNT)
    t.after(() => disk.release())
    const journal = await Journal.start(disk.dir)
    writeFileSync(path.join(disk.dir, 'filler'), '')
    await journal.append(put(1))
    await assert.rejects(journal.cut(), isFull)
    await journal.append(put(2))
    assert.equal(journal.hasPrevious, false)
    assert.deepEqual(replayed(disk.dir).entries, [put(1), put(2)])
    rmSync(path.join(disk.dir, 'filler'))
    await journal.cut()
    await journal.append(put(3))
    assert.deepEqual(replayed(disk.dir).entries, [put(1), put(2), put(3)])
    await journal.dropPrevious()
    assert.deepEqual(replayed(disk.dir).entries, [put(3)])
    await journal.close()
  })

  test('that is really full goes on as soon as a file is removed', async (t) => {
    const disk = await mountDisk(MIB / 4)
    if (disk === null) return t.skip(NO_MOUNT)
    t.after(() => disk.release())
    const journal = await Journal.start(disk.dir)
    await journal.append(put(1))
    const filler = path.join(disk.dir, 'filler')
    assert.throws(() => writeFileSync(filler, Buffer.alloc(MIB)), /ENOSPC/)
    // What is left of the journal's own page still takes a few.
    let last = 1
    for (let full = false; !full;)
      await journal.append(put((last += 1))).catch((error: unknown) => {
        assert.ok(isFull(error), String(error))
        full = true
      })
    assert.equal(journal.failure, null)
    rmSync(filler)
    await journal.append(put(last))
    await journal.close()
    const ids = replayed(disk.dir).entries.map((entry) => JSON.stringify(entry))
    assert.deepEqual(
      ids,
      Array.from({ length: last }, (_, at) => JSON.stringify(put(at + 1))),
    )
  })
})
