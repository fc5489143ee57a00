import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { describe, mock, test, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { execa } from 'execa'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { decode, encode, type JournalEntry } from '../../coordinator/storage/journal-files.ts'
import { takeOver } from '../../coordinator/storage/journal-files.ts'
import { Journal } from '../../coordinator/storage/journal.ts'
import { gate } from './gate.ts'
import { replayed } from './replayed.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const CURRENT = 'journal.ndjson'
const PREVIOUS = 'journal.previous.ndjson'

const put = (n: number, text = 'some text'): JournalEntry => ({ put: { job_id: `job ${n}`, text } })

function numbered(from: number, to: number): JournalEntry[] {
  return Array.from({ length: to - from + 1 }, (_, index) => put(from + index))
}

const handlePrototype = await (async () => {
  const handle = await open('/dev/null', 'r')
  await handle.close()
  return Object.getPrototypeOf(handle) as FileHandle
})()

/** Counts and can hold back or fail what a journal asks of the disk; each of its writes is synced. */
function watchSyncs(
  context: TestContext,
  method: 'write' | 'sync',
  also: (call: number) => Promise<void> | void = () => undefined,
): { count: () => number } {
  const real = handlePrototype[method] as (...args: unknown[]) => Promise<unknown>
  let calls = 0
  const spy = mock.method(
    handlePrototype,
    method,
    async function (this: FileHandle, ...args: unknown[]) {
      calls += 1
      const call = calls
      const done = await real.apply(this, args)
      await also(call)
      return done
    },
  )
  context.after(() => spy.mock.restore())
  return { count: () => calls }
}

function unavailable(error: unknown): boolean {
  return error instanceof AppError && error.code === 'unavailable'
}

describe('a line', () => {
  const entries: JournalEntry[] = [
    put(1),
    { remove: 'job 1' },
    put(2, 'ünï\u0000 \n "quoted" \ud83c\udfa7 \ud800 \u2028 crc'),
  ]

  test('gives back what was written into it', () => {
    for (const entry of entries) {
      const line = encode(entry)
      assert.ok(line.endsWith('\n'))
      assert.equal(line.indexOf('\n'), line.length - 1, 'one line')
      assert.deepEqual(decode(line.slice(0, -1)), entry)
    }
  })

  test('is JSON that carries the checksum of the rest', () => {
    const { crc, ...rest } = JSON.parse(encode(put(1))) as { crc: string }
    assert.match(crc, /^[0-9a-f]{8}$/)
    assert.deepEqual(rest, put(1))
  })

  test('with any byte of it changed is not taken', () => {
    const line = Buffer.from(encode(put(1)).slice(0, -1))
    for (let at = 0; at < line.length; at += 1) {
      for (const bit of [1, 16]) {
        const damaged = Buffer.from(line)
        damaged[at]! ^= bit
        assert.equal(decode(damaged.toString('utf8')), null, `byte ${at}`)
      }
    }
  })

  test('cut short anywhere is not taken', () => {
    const line = encode(put(1)).slice(0, -1)
    for (let length = 0; length < line.length; length += 1)
      assert.equal(decode(line.slice(0, length)), null, `${length} characters`)
  })
})

describe('a replay', () => {
  test('of no journal is nothing', () => {
    assert.deepEqual(replayed(tempFolder()), { entries: [], ignoredBytes: 0 })
  })

  test('gives what was appended, in order', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    for (const entry of numbered(1, 5)) await journal.append(entry)
    await journal.append({ remove: 'job 3' })
    await journal.close()
    assert.deepEqual(replayed(dir), {
      entries: [...numbered(1, 5), { remove: 'job 3' }],
      ignoredBytes: 0,
    })
    assert.equal(journal.bytes, readFileSync(path.join(dir, CURRENT)).length)
  })

  test('of a log torn at any byte gives every whole line and counts the rest', () => {
    const dir = tempFolder()
    const file = path.join(dir, CURRENT)
    const entries = [put(1), put(2, 'ünï \ud83c\udfa7'), { remove: 'job 1' }, put(3)]
    const lines = entries.map((entry) => Buffer.from(encode(entry)))
    const ends = lines.map((_, index) => Buffer.concat(lines.slice(0, index + 1)).length)
    writeFileSync(file, Buffer.concat(lines))
    for (let length = ends.at(-1)!; length >= 0; length -= 1) {
      truncateSync(file, length)
      const whole = ends.filter((end) => end <= length).length
      assert.deepEqual(
        replayed(dir),
        { entries: entries.slice(0, whole), ignoredBytes: length - (ends[whole - 1] ?? 0) },
        `${length} bytes`,
      )
    }
  })

  test('stops at the first bad line, also when good ones follow', () => {
    const dir = tempFolder()
    const rest = `not a line\n${encode(put(3))}`
    writeFileSync(path.join(dir, CURRENT), encode(put(1)) + encode(put(2)) + rest)
    assert.deepEqual(replayed(dir), { entries: numbered(1, 2), ignoredBytes: rest.length })
  })

  test('stops at the blocks of zeros that a lost page leaves', () => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, CURRENT), `${encode(put(1))}${'\0'.repeat(4096)}`)
    assert.deepEqual(replayed(dir), { entries: [put(1)], ignoredBytes: 4096 })
  })

  test('counts the newer segment as left out when the older one has a bad line', () => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, PREVIOUS), `${encode(put(1))}bad`)
    writeFileSync(path.join(dir, CURRENT), encode(put(2)))
    assert.deepEqual(replayed(dir), {
      entries: [put(1)],
      ignoredBytes: 'bad'.length + encode(put(2)).length,
    })
  })
})

describe('a start', () => {
  test('empties the log, both segments of it', async () => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, PREVIOUS), encode(put(1)))
    writeFileSync(path.join(dir, CURRENT), encode(put(2)))
    const journal = await Journal.start(dir)
    assert.deepEqual(replayed(dir).entries, [])
    assert.equal(existsSync(path.join(dir, PREVIOUS)), false)
    await journal.append(put(3))
    await journal.close()
    assert.deepEqual(replayed(dir).entries, [put(3)])
  })

  test('that is interrupted never leaves the older segment without the newer', async (t) => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, PREVIOUS), encode(put(1, 'old')))
    writeFileSync(path.join(dir, CURRENT), encode(put(1, 'new')))
    watchSyncs(t, 'sync', () => {
      throw new Error('the power went')
    })
    await assert.rejects(Journal.start(dir), /the power went/)
    // What it would set back: a job whose newer state is in the folders already.
    assert.notDeepEqual(replayed(dir).entries, [put(1, 'old')])
  })
})

describe('an append', () => {
  test('is done when its line is synced, not before', async (t) => {
    const { opened, open: release } = gate()
    const reached = gate()
    watchSyncs(t, 'write', async () => {
      reached.open()
      await opened
    })
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    let done = false
    const appended = journal.append(put(1)).then(() => (done = true))
    await reached.opened
    assert.deepEqual(replayed(dir).entries, [put(1)], 'it is written')
    await nextTurn()
    assert.equal(done, false)
    release()
    await appended
    await journal.close()
  })

  test('that comes during a sync shares the next one with all others that do', async (t) => {
    const { opened, open: release } = gate()
    const reached = gate()
    const syncs = watchSyncs(t, 'write', async (call) => {
      reached.open()
      if (call === 1) await opened
    })
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    const first = journal.append(put(1))
    await reached.opened
    const others = numbered(2, 50).map((entry) => journal.append(entry))
    release()
    await Promise.all([first, ...others])
    assert.equal(syncs.count(), 2)
    await journal.close()
    assert.deepEqual(replayed(dir).entries, numbered(1, 50))
  })
})

describe('a log that is as long as it may be', () => {
  const line = encode(put(1)).length
  const room = async (
    lines: number,
  ): Promise<{ dir: string; journal: Journal; full: () => number }> => {
    const dir = tempFolder()
    let full = 0
    const options = { mostBytes: lines * line, onFull: () => (full += 1) }
    const journal = await Journal.start(dir, options)
    return { dir, journal, full: () => full }
  }

  test('lets lines wait for room, in their order, and a cut go first', async () => {
    const { dir, journal, full } = await room(3)
    const appends = numbered(1, 7).map((entry) => journal.append(entry))
    await Promise.all(appends.slice(0, 3))
    await journal.cut()
    assert.deepEqual([journal.bytes, journal.totalBytes], [0, 3 * line])
    assert.ok(journal.isFull)
    assert.equal(full(), 2)
    await journal.dropPrevious()
    await Promise.all(appends.slice(3, 6))
    assert.deepEqual(replayed(dir).entries, numbered(4, 6))
    await journal.cut()
    await journal.dropPrevious()
    await appends[6]
    assert.equal(journal.isFull, false)
    await journal.close()
  })

  test('refuses those that wait when there will be none', async () => {
    const { journal } = await room(1)
    await journal.append(put(1))
    const waiting = journal.append(put(2))
    await nextTurn()
    journal.refuseWaiting(new AppError('unavailable', 'no room'))
    await assert.rejects(waiting, /no room/)
    assert.equal(journal.failure, null)
    await journal.cut()
    await journal.dropPrevious()
    await journal.append(put(3))
    await journal.close()
  })

  test('takes a line that is longer still when it is empty', async () => {
    const { journal } = await room(1)
    await journal.append(put(1))
    const long = journal.append(put(2, 'x'.repeat(10 * line)))
    await journal.cut()
    await journal.dropPrevious()
    await long
    await journal.close()
  })
})

describe('after a failure', () => {
  test('to write, every append is refused as unavailable and says what to do', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    // A disk with no space left, where nothing can be taken back either.
    symlinkSync('/dev/full', path.join(dir, 'journal.next.ndjson'))
    await journal.cut()
    const both = await Promise.allSettled([journal.append(put(1)), journal.append(put(2))])
    for (const outcome of both)
      assert.ok(outcome.status === 'rejected' && unavailable(outcome.reason))
    await assert.rejects(journal.append(put(3)), unavailable)
    await assert.rejects(journal.cut(), unavailable)
    assert.match(journal.failure?.message ?? '', /journal.*ENOSPC.*restart the coordinator/)
    await journal.close()
  })

  test('to sync, the disk is not asked again, also when it would work', async (t) => {
    const syncs = watchSyncs(t, 'write', (call) => {
      if (call === 2) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    })
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    const failing = journal.append(put(2))
    const waiting = journal.append(put(3))
    const outcomes = await Promise.allSettled([failing, waiting])
    for (const outcome of outcomes)
      assert.ok(outcome.status === 'rejected' && unavailable(outcome.reason))
    await assert.rejects(journal.append(put(4)), unavailable)
    assert.equal(syncs.count(), 2)
    await journal.close()
    assert.deepEqual(replayed(dir).entries[0], put(1))
    assert.ok(!readFileSync(path.join(dir, CURRENT), 'utf8').includes('job 4'))
  })

  test('to cut, the appends that wait are refused as well, and none hangs', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    rmSync(path.join(dir, CURRENT))
    const appends: Promise<unknown>[] = []
    let over = false
    const cut = journal.cut().then(
      () => 'cut',
      (error: unknown) => {
        over = true
        return error
      },
    )
    while (!over && appends.length < 1_000) {
      appends.push(journal.append(put(2)).catch((error: unknown) => error))
      await nextTurn()
    }
    assert.ok(unavailable(await cut))
    const outcomes = await Promise.all(appends)
    assert.ok(unavailable(outcomes.at(-1)))
    await journal.close()
  })
})

describe('a log whose name is gone or another’s', () => {
  for (const [how, meddle] of [
    ['removed', (file: string) => rmSync(file)],
    ['replaced', (file: string) => (rmSync(file), writeFileSync(file, ''))],
    ['taken over by another start', async (file: string) => await takeOver(path.dirname(file))],
  ] as const) {
    test(`${how}, acknowledges nothing and cuts nothing`, async () => {
      const dir = tempFolder()
      const journal = await Journal.start(dir)
      await journal.append(put(1))
      await meddle(path.join(dir, CURRENT))
      const before = readdirSync(dir)
      await assert.rejects(
        journal.append(put(2)),
        /journal was removed or replaced.*another coordinator/,
      )
      await assert.rejects(journal.cut(), unavailable)
      await assert.rejects(journal.append(put(3)), unavailable)
      assert.deepEqual(readdirSync(dir), before)
      await journal.close()
    })
  }

  test('is in the replay of who takes it over, with all that was acknowledged', async () => {
    const dir = tempFolder()
    const first = await Journal.start(dir)
    const acknowledged: JournalEntry[] = []
    let refused = false
    const load = (async () => {
      for (let n = 1; !refused; n += 1) {
        try {
          await first.append(put(n))
          acknowledged.push(put(n))
        } catch {
          refused = true
        }
      }
    })()
    while (acknowledged.length < 5) await nextTurn()
    await takeOver(dir)
    const { entries } = replayed(dir)
    const second = await Journal.start(dir)
    await load
    assert.deepEqual(entries.slice(0, acknowledged.length), acknowledged)
    assert.ok(entries.length - acknowledged.length <= 1, 'one was on its way')
    await second.append(put(1_000))
    assert.deepEqual(replayed(dir).entries, [put(1_000)])
    await first.close()
    await second.close()
  })
})

describe('a cut', () => {
  test('puts the log aside, and it counts until it is dropped', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    await journal.cut()
    assert.equal(journal.bytes, 0)
    await journal.append(put(2))
    assert.deepEqual(replayed(dir).entries, [put(1), put(2)])
    await journal.dropPrevious()
    assert.deepEqual(replayed(dir).entries, [put(2)])
    await journal.close()
  })

  test('happens although appends never cease', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    let appended = 0
    let wanted = true
    const write = async (): Promise<void> => {
      while (wanted && appended < 500) {
        await journal.append(put(appended))
        appended += 1
        // The other one's append arrives while this one's is being synced, and the other way round.
        await nextTurn()
      }
    }
    const writers = [write(), write(), write()]
    await nextTurn()
    await journal.cut()
    const appendedThen = appended
    wanted = false
    await Promise.all(writers)
    assert.ok(appendedThen < 100, `it had to wait for ${appendedThen} appends`)
    await journal.close()
  })

  test('never writes over a segment that is still aside', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    await journal.cut()
    await journal.append(put(2))
    await journal.cut()
    await journal.append(put(3))
    assert.deepEqual(replayed(dir).entries, numbered(1, 3))
    await journal.dropPrevious()
    await journal.cut()
    await journal.dropPrevious()
    assert.deepEqual(replayed(dir).entries, [])
    await journal.close()
  })

  test('that cannot begin is refused alone, and made later', async () => {
    const dir = tempFolder()
    const journal = await Journal.start(dir)
    await journal.append(put(1))
    const next = path.join(dir, 'journal.next.ndjson')
    // A folder where its next segment belongs stands for what a process out of descriptors cannot open.
    mkdirSync(next)
    const [cut, appended] = await Promise.allSettled([journal.cut(), journal.append(put(2))])
    assert.ok(cut.status === 'rejected' && isSystemError(cut.reason, 'EISDIR'))
    assert.equal(appended.status, 'fulfilled')
    assert.equal(journal.failure, null)
    rmSync(next, { recursive: true })
    await journal.cut()
    await journal.append(put(3))
    assert.deepEqual(replayed(dir).entries, numbered(1, 3))
    await journal.close()
  })

  test('survives a crash between its two steps', () => {
    const dir = tempFolder()
    writeFileSync(path.join(dir, CURRENT), encode(put(1)))
    renameSync(path.join(dir, CURRENT), path.join(dir, PREVIOUS))
    assert.deepEqual(replayed(dir).entries, [put(1)])
  })

  for (let seed = 1; seed <= 8; seed += 1) {
    test(`loses nothing, however appends, cuts and drops fall (seed ${seed})`, async () => {
      const random = seededRandom(seed)
      const dir = tempFolder()
      const journal = await Journal.start(dir)
      const acknowledged = new Map<string, string>()
      /** What stands in for the folders: made before a segment is dropped. */
      let folders = new Map<string, string>()
      const append = async (n: number): Promise<void> => {
        const [id, text] = [`job ${n % 7}`, `change ${n}`]
        await journal.append({ put: { job_id: id, text } })
        acknowledged.set(id, text)
      }
      const checkpoint = async (): Promise<void> => {
        await journal.cut()
        if (random() < 0.3) return
        folders = new Map(acknowledged)
        await journal.dropPrevious()
      }
      const check = (): void => {
        const recovered = new Map(folders)
        for (const entry of replayed(dir).entries) {
          assert.ok('put' in entry)
          const { job_id: id, text } = entry.put as { job_id: string; text: string }
          recovered.set(id, text)
        }
        assert.deepEqual(recovered, acknowledged)
      }
      let checkpoints = Promise.resolve()
      const pending: Promise<void>[] = []
      for (let n = 0; n < 300; n += 1) {
        if (random() < 0.15) checkpoints = checkpoints.then(checkpoint)
        pending.push(append(n))
        if (random() < 0.3) await pick(random, pending)
        if (random() < 0.1) await nextTurn()
        if (random() < 0.05) {
          await Promise.all([...pending.splice(0), checkpoints])
          check()
        }
      }
      await Promise.all([...pending, checkpoints])
      await journal.close()
      check()
    })
  }
})

test('a file system that takes too long to sync holds neither its caller nor the process', async () => {
  const dir = tempFolder()
  // Stands in for a disk that is slow for minutes.
  writeFileSync(path.join(dir, 'sync'), '#!/bin/sh\nexec sleep 300\n', { mode: 0o755 })
  const sync = moduleUrl(new URL('../../coordinator/storage/sync.ts', import.meta.url))
  const script = `
    import { syncBelow } from '${sync}'
    await syncBelow('${dir}', 50).catch((error) => console.log(error.message))`
  const { stdout } = await execa(
    process.execPath,
    [...LOADER, '--input-type=module', '--eval', script],
    { env: { PATH: `${dir}:${process.env['PATH'] ?? ''}` }, timeout: 60_000 },
  )
  assert.match(stdout, /took longer than 0\.05 s to sync/)
})
