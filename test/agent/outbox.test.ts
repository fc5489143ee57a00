import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Outbox, type OutboxOptions } from '../../agent/client/outbox.ts'
import type { DeliveryRecord } from '../../agent/client/delivery-record.ts'
import { Refusal, Unreachable } from '../../shared/refusal.ts'

const away = new Unreachable('away')
const outgoing: DeliveryRecord = {
  jobId: 'j1',
  attempt: 2,
  result: {
    success: true,
    content: '# Talk',
    metadata: { num_speakers: 1, segments: [] },
    leaseToken: 'lease',
  },
  artifacts: [],
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'morag-outbox-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function openBox(
  t: TestContext,
  folder: string,
  options: Partial<OutboxOptions> = {},
): Promise<Outbox> {
  const outbox = await Outbox.open(folder, {
    deliver: async () => {},
    onRefused: () => {},
    onFilesLost: () => {},
    onDelayed: () => {},
    retryMinMs: 1,
    retryMaxMs: 2,
    ...options,
  })
  t.after(() => outbox.close())
  return outbox
}

const files = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name !== 'refused')

describe('how long nothing need be seen of what is in the outbox', () => {
  const leftSeconds = (outbox: Outbox): number =>
    Math.round((outbox.quietUntil - performance.now()) / 1_000)

  it('is a minute from the last byte that went of any of it', async (t) => {
    let now = 1_000_000
    t.mock.method(performance, 'now', () => now)
    let send = (): void => undefined
    let begin = (): void => undefined
    const begun = new Promise<void>((resolve) => (begin = resolve))
    const outbox = await openBox(t, await folderOf(t), {
      deliver: async (_, __, signal, onSent) => {
        send = onSent
        begin()
        await new Promise((done) => signal.addEventListener('abort', done))
      },
    })
    await outbox.put(outgoing)
    await outbox.put({ ...outgoing, jobId: 'j2' })
    await begun
    assert.equal(leftSeconds(outbox), 60)
    now += 50_000
    assert.equal(leftSeconds(outbox), 10)
    send()
    assert.equal(leftSeconds(outbox), 60)
    now += 3_600_000
    assert.ok(leftSeconds(outbox) < 0, 'a request that hangs is no wait')
  })

  it('is until the next try, and a minute more', async (t) => {
    let tell = (): void => undefined
    const tried = new Promise<void>((resolve) => (tell = resolve))
    const outbox = await openBox(t, await folderOf(t), {
      deliver: async () => {
        throw new Refusal(503, 'unavailable', 'come later', { retryAfterSeconds: 300 })
      },
      onDelayed: () => tell(),
    })
    await outbox.put(outgoing)
    await tried
    assert.equal(leftSeconds(outbox), 360)
  })
})

describe('a parcel', () => {
  it('is on disk, for its owner only, before it is sent', async (t) => {
    const folder = await folderOf(t)
    const file = path.join(folder, 'j1.2.json')
    let found: { mode: number; text: string } | undefined
    const outbox = await openBox(t, folder, {
      async deliver() {
        found = { mode: (await stat(file)).mode & 0o777, text: await readFile(file, 'utf8') }
      },
    })
    const { outcome: delivery } = await outbox.put(outgoing)
    assert.equal(await delivery, 'delivered')
    assert.equal(found?.mode, 0o600)
    assert.deepEqual(JSON.parse(found.text), {
      job_id: 'j1',
      attempt: 2,
      result: {
        success: true,
        content: '# Talk',
        metadata: { num_speakers: 1, segments: [] },
        lease_token: 'lease',
      },
      artifacts: [],
    })
    assert.deepEqual(await files(folder), [])
  })

  it('is sent again until it is taken', async (t) => {
    const folder = await folderOf(t)
    const errors = [
      away,
      new Refusal(503, 'unavailable', 'busy'),
      new Refusal(401, 'unauthorized', 'key'),
    ]
    const delays: number[] = []
    const outbox = await openBox(t, folder, {
      async deliver() {
        const error = errors.shift()
        if (error !== undefined) throw error
      },
      onDelayed: (_, __, failures) => delays.push(failures),
    })
    const { outcome: delivery } = await outbox.put(outgoing)
    assert.equal(await delivery, 'delivered')
    assert.deepEqual(delays, [1, 2, 3])
  })

  it('that waits does not hold up another', async (t) => {
    const outbox = await openBox(t, await folderOf(t), {
      async deliver({ jobId }) {
        if (jobId === 'j1') throw new Refusal(502, 'internal', 'too big for the proxy')
      },
      retryMinMs: 60_000,
      retryMaxMs: 60_000,
    })
    await outbox.put(outgoing)
    const { outcome: delivery } = await outbox.put({ ...outgoing, jobId: 'j2' })
    assert.equal(await delivery, 'delivered')
    assert.equal(outbox.size, 1)
  })

  it('that was left by an earlier run is sent at the next start', async (t) => {
    const folder = await folderOf(t)
    const first = await openBox(t, folder, {
      deliver: async () => {
        throw away
      },
    })
    const { outcome: delivery } = await first.put(outgoing)
    await first.close()
    assert.equal(await delivery, 'kept')
    assert.deepEqual(await files(folder), ['j1.2.json'])
    const sent: DeliveryRecord[] = []
    const second = await openBox(t, folder, {
      deliver: async (one) => void sent.push(one),
    })
    assert.equal(await second.flush(10_000), 0)
    assert.deepEqual(sent, [outgoing])
    assert.deepEqual(await files(folder), [])
  })

  for (const status of [400, 404, 409, 413, 422]) {
    it(`that is refused with ${status} is kept aside and spoken of`, async (t) => {
      const folder = await folderOf(t)
      const refusal = new Refusal(status, 'lease_lost', 'too late')
      const refused: unknown[] = []
      const outbox = await openBox(t, folder, {
        deliver: async () => {
          throw refusal
        },
        onRefused: (one, file, error) => refused.push(one, file, error),
      })
      const { outcome: delivery } = await outbox.put(outgoing)
      assert.equal(await delivery, 'refused')
      const kept = path.join(folder, 'refused', 'j1.2.json')
      assert.deepEqual(refused, [outgoing, kept, refusal])
      assert.equal(JSON.parse(await readFile(kept, 'utf8')).job_id, 'j1')
      assert.equal(outbox.size, 0)
    })
  }

  for (const status of [401, 403, 408, 429, 500, 503]) {
    it(`that meets ${status} stays`, async (t) => {
      const folder = await folderOf(t)
      const outbox = await openBox(t, folder, {
        deliver: async () => {
          throw new Refusal(status, 'internal', 'not now')
        },
      })
      await outbox.put(outgoing)
      assert.equal(await outbox.flush(20), 1)
      assert.deepEqual(await files(folder), ['j1.2.json'])
    })
  }

  it('that the disk does not take is sent from memory', async (t) => {
    const folder = await folderOf(t)
    const delays: number[] = []
    const outbox = await openBox(t, folder, {
      onDelayed: (_, __, failures) => delays.push(failures),
    })
    await rm(folder, { recursive: true })
    const { outcome: delivery } = await outbox.put(outgoing)
    assert.equal(await delivery, 'delivered')
    assert.deepEqual(delays, [0])
  })
})

const withFiles: DeliveryRecord = { ...outgoing, artifacts: ['a.jpg', 'b.jpg'] }

/** A folder of two files, as an attempt leaves it. */
async function makeFiles(parent: string): Promise<string> {
  const made = path.join(parent, 'artifacts')
  await mkdir(made, { recursive: true })
  for (const name of withFiles.artifacts) await writeFile(path.join(made, name), name)
  return made
}

describe('a parcel with files', () => {
  it('has them beside it until it is delivered', async (t) => {
    const folder = await folderOf(t)
    const made = await makeFiles(await folderOf(t))
    let found: string[] = []
    const outbox = await openBox(t, folder, {
      async deliver({ artifacts }, files) {
        assert.equal(files, path.join(folder, 'j1.2.files'))
        found = await Promise.all(artifacts.map((name) => readFile(path.join(files, name), 'utf8')))
      },
    })
    const { outcome: delivery } = await outbox.put(withFiles, made)
    assert.equal(existsSync(made), false)
    assert.equal(await delivery, 'delivered')
    assert.deepEqual(found, ['a.jpg', 'b.jpg'])
    assert.deepEqual(await files(folder), [])
  })

  it('still has them at the next start', async (t) => {
    const folder = await folderOf(t)
    const first = await openBox(t, folder, {
      deliver: async () => {
        throw away
      },
    })
    await first.put(withFiles, await makeFiles(await folderOf(t)))
    await first.close()
    assert.deepEqual(await files(folder), ['j1.2.files', 'j1.2.json'])
    let found: string[] = []
    const second = await openBox(t, folder, {
      deliver: async (_, beside) => void (found = (await readdir(beside)).toSorted()),
    })
    assert.equal(await second.flush(10_000), 0)
    assert.deepEqual(found, ['a.jpg', 'b.jpg'])
    assert.deepEqual(await files(folder), [])
  })

  it('loses them when it is refused, and is kept aside itself', async (t) => {
    const folder = await folderOf(t)
    const outbox = await openBox(t, folder, {
      deliver: async () => {
        throw new Refusal(409, 'lease_lost', 'too late')
      },
    })
    const { outcome: delivery } = await outbox.put(withFiles, await makeFiles(await folderOf(t)))
    assert.equal(await delivery, 'refused')
    assert.deepEqual(await files(folder), [])
    assert.deepEqual(await readdir(path.join(folder, 'refused')), ['j1.2.json'])
  })

  it('goes without them when they cannot be kept', async (t) => {
    const lost: unknown[] = []
    const sent: DeliveryRecord[] = []
    const folder = await folderOf(t)
    const outbox = await openBox(t, folder, {
      deliver: async (one) => void sent.push(one),
      onFilesLost: (one) => lost.push(one),
    })
    const { outcome: delivery } = await outbox.put(withFiles, path.join(folder, 'not there'))
    assert.equal(await delivery, 'delivered')
    assert.deepEqual([lost, sent], [[withFiles], [outgoing]])
  })

  it('is moved to another file system as well', { skip: otherFileSystem() }, async (t) => {
    const elsewhere = await mkdtemp('/dev/shm/morag-outbox-')
    t.after(() => rm(elsewhere, { recursive: true, force: true }))
    const made = await makeFiles(elsewhere)
    const folder = await folderOf(t)
    const outbox = await openBox(t, folder, {
      deliver: async () => {
        throw away
      },
      retryMinMs: 60_000,
      retryMaxMs: 60_000,
    })
    await outbox.put(withFiles, made)
    const beside = path.join(folder, 'j1.2.files')
    assert.equal(await readFile(path.join(beside, 'b.jpg'), 'utf8'), 'b.jpg')
    assert.equal(existsSync(made), false)
  })
})

/** False where this machine has two file systems to move files between. */
function otherFileSystem(): string | false {
  const device = statSync('/dev/shm', { throwIfNoEntry: false })?.dev
  const isOther = device !== undefined && device !== statSync(tmpdir()).dev
  return isOther ? false : 'there is no /dev/shm beside the temporary folder'
}

describe('an outbox', () => {
  it('removes files whose parcel was never saved', async (t) => {
    const folder = await folderOf(t)
    await mkdir(path.join(folder, 'j1.2.files'))
    await writeFile(path.join(folder, 'j1.2.files', 'a.jpg'), '')
    await openBox(t, folder)
    assert.deepEqual(await files(folder), [])
  })

  it('sets a file aside that is no parcel, and removes half-written ones', async (t) => {
    const folder = await folderOf(t)
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, 'broken.1.json'), '{"job_id":')
    await writeFile(path.join(folder, 'half.1.json.tmp'), '{')
    const refused: string[] = []
    await openBox(t, folder, { onRefused: (_, file) => refused.push(file) })
    assert.deepEqual(refused, [path.join(folder, 'refused', 'broken.1.json')])
    assert.deepEqual(await files(folder), [])
  })

  it('tries at once when the coordinator is back', async (t) => {
    let up = false
    const outbox = await openBox(t, await folderOf(t), {
      retryMinMs: 60_000,
      retryMaxMs: 60_000,
      deliver: async () => {
        if (!up) throw away
      },
      onDelayed() {
        up = true
        outbox.nudge()
      },
    })
    const { outcome: delivery } = await outbox.put(outgoing)
    assert.equal(await delivery, 'delivered')
  })
})
