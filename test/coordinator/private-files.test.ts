import assert from 'node:assert/strict'
import fs, {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { describe, mock, test, type TestContext } from 'node:test'
import { makeFolder, makePrivateFolder } from '../../coordinator/storage/private-folder.ts'
import { Segment } from '../../coordinator/storage/journal-segment.ts'
import { STATUSES } from '../../shared/wire.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { claim, createJob, NO_INGESTION, startRunning, until, type Running } from './running.ts'

/** What others may do with it, as `/sources 755`; all below a folder. */
function openIn(dir: string): string[] {
  const walk = (at: string): string[] =>
    readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(at, entry.name)
      const mode = lstatSync(file).mode & 0o777
      const own = (mode & 0o077) === 0 ? [] : [`${file.slice(dir.length)} ${mode.toString(8)}`]
      return entry.isDirectory() ? [...own, ...walk(file)] : own
    })
  return walk(dir)
}

function withUmask(t: TestContext, mask: number): void {
  const before = process.umask(mask)
  t.after(() => process.umask(before))
}

/** One of all that a data folder can hold. */
async function fill(running: Running): Promise<void> {
  const form = new FormData()
  form.set('content_type', 'audio')
  form.set('file', new File(['speech'], 'a.mp3'))
  await (await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })).text()
  const [job] = await claim(running)
  const lease = { lease_token: job!.lease_token }
  await running.ask('POST', '/workers/w1/heartbeat', {
    json: {
      state: 'running',
      version: '1',
      slots: 1,
      jobs: [{ job_id: job!.job_id, ...lease, stage: 'x', progress: 0.5, checkpoint: { at: 1 } }],
    },
  })
  await running.ask('PUT', `/remote-jobs/${job!.job_id}/artifacts/a.txt`, {
    raw: 'a frame',
    headers: { 'morag-lease': job!.lease_token },
  })
  const checkpoints = path.join(running.dataDir, 'checkpoints')
  await until(() => readdirSync(checkpoints).some((name) => name.endsWith('.json')))
  assert.deepEqual(openIn(running.dataDir), [])
  const body = { success: true, content: 'x'.repeat(20_000), ...lease }
  await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, { json: body })
  await createJob(running)
}

describe('what the data folder holds is its owner’s alone', () => {
  test('whatever the umask is', async (t) => {
    withUmask(t, 0)
    const running = await startRunning(t)
    await fill(running)
    await running.stop()
    assert.equal(lstatSync(running.dataDir).mode & 0o777, 0o700)
    for (const name of ['sources', 'results', 'artifacts', 'completed', 'journal.ndjson', 'secret'])
      assert.ok(readdirSync(running.dataDir).includes(name), name)
    assert.deepEqual(openIn(running.dataDir), [])
    assert.ok(!running.logged.some((line) => line.includes('chmod 700')))
  })

  test('also where an earlier version has left it open; of the folder itself the log warns', async (t) => {
    withUmask(t, 0)
    const running = await startRunning(t)
    await createJob(running)
    await running.stop()
    const { dataDir, root } = running
    chmodSync(dataDir, 0o755)
    for (const name of [...STATUSES, 'quarantine', 'sources', 'results'])
      chmodSync(path.join(dataDir, name), 0o755)
    const [job] = readdirSync(path.join(dataDir, 'pending'))
    chmodSync(path.join(dataDir, 'pending', job!), 0o644)
    chmodSync(path.join(dataDir, 'journal.ndjson'), 0o644)
    const again = await startRunning(t, { root })
    await claim(again)
    await again.stop()
    assert.deepEqual(openIn(dataDir), [])
    assert.equal(lstatSync(dataDir).mode & 0o777, 0o755, 'it is theirs')
    assert.ok(again.logged.some((line) => line.includes(`chmod 700 ${dataDir}`)))
  })
})

describe(
  'a name is synced where it is made',
  { skip: process.platform !== 'linux' && 'it asks /proc what a descriptor is of' },
  () => {
    /** What folders held when they were last synced, from now on. */
    async function namesSynced(t: TestContext): Promise<Map<string, string[]>> {
      const seen = new Map<string, string[]>()
      const note = (handle: number): void => {
        const folder = readlinkSync(`/proc/self/fd/${handle}`)
        if (statSync(folder).isDirectory()) seen.set(folder, readdirSync(folder))
      }
      const inTurn = mock.method(fs, 'fsyncSync', note)
      syncBuiltinESMExports()
      const handle = await open('/', 'r')
      const later = mock.method(
        Object.getPrototypeOf(handle) as FileHandle,
        'sync',
        async function (this: FileHandle) {
          note(this.fd)
        },
      )
      await handle.close()
      t.after(() => {
        inTurn.mock.restore()
        later.mock.restore()
        syncBuiltinESMExports()
      })
      return seen
    }

    test('that of every folder that was missing, up to the first that was there', async (t) => {
      const dir = tempFolder()
      const seen = await namesSynced(t)
      makeFolder(path.join(dir, 'a', 'b', 'data'))
      assert.deepEqual(
        [...seen],
        [
          [path.join(dir, 'a', 'b'), ['data']],
          [path.join(dir, 'a'), ['b']],
          [dir, ['a']],
        ],
      )
    })

    test('also when it was there: the process that made it may have died before it was', async (t) => {
      const dir = tempFolder()
      mkdirSync(path.join(dir, 'data'))
      const seen = await namesSynced(t)
      makePrivateFolder(path.join(dir, 'data'))
      assert.deepEqual([...seen], [[dir, ['data']]])
    })

    test('before a coordinator serves anybody: all that it has made in its data folder, and that one', async (t) => {
      const seen = await namesSynced(t)
      const webhookSecret = `whsec_${Buffer.alloc(32).toString('base64')}`
      const running = await startRunning(t, { ingestion: { ...NO_INGESTION, webhookSecret } })
      const { dataDir, root } = running
      const isKept = (name: string): boolean => !name.startsWith('lock')
      assert.deepEqual(seen.get(dataDir)?.filter(isKept), readdirSync(dataDir).filter(isKept))
      assert.ok(seen.get(dataDir)!.includes('secret'))
      assert.ok(seen.get(root)!.includes('data'))
      await running.stop()
    })
  },
)

test('a segment that was open to others is closed to them', async () => {
  const file = path.join(tempFolder(), 'journal.ndjson')
  writeFileSync(file, 'old', { mode: 0o644 })
  chmodSync(file, 0o644)
  const segment = await Segment.create(file)
  assert.equal(lstatSync(file).mode & 0o777, 0o600)
  await segment.close()
})
