import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { RESERVE_BYTES } from '../../agent/free-space.ts'
import { mountDisk, NO_MOUNT } from '../faults/small-disk.ts'
import { DiskWatch, type DiskWatchOptions } from '../../agent/work/disk-watch.ts'

const FOLDERS = ['/work', '/outbox'].map((folder) => ({ folder, flag: '--work-dir' }))

/** One whose next look comes when it is asked for, at disks with so many bytes. */
async function watchOf(
  t: TestContext,
  disks: Record<string, number>,
  { folders = FOLDERS, write = async () => undefined }: Partial<DiskWatchOptions> = {},
) {
  const changes: (string | null)[] = []
  let lookAgain = (): void => undefined
  let looked = (): void => undefined
  const watch = new DiskWatch({
    folders,
    write,
    onChange: (problem) => changes.push(problem),
    async freeBytes(folder) {
      const free = disks[folder]
      if (free === undefined) throw new Error('ENOENT')
      return free
    },
    wait: (_, signal) =>
      new Promise((resolve) => {
        lookAgain = resolve
        looked()
        signal.addEventListener('abort', () => resolve())
      }),
  })
  t.after(() => watch.close())
  await watch.start()
  const look = async (): Promise<void> => {
    const done = new Promise<void>((resolve) => (looked = resolve))
    lookAgain()
    await done
  }
  return { watch, changes, look }
}

describe('the watch over the disk', () => {
  it('names the folder without room and the fix, once, until there is room again', async (t) => {
    const disks = { '/work': 30.5 * 1024 * 1024, '/outbox': RESERVE_BYTES }
    const { watch, changes, look } = await watchOf(t, disks)
    const problem =
      'Only 30 MiB are free in /work, and jobs need 64 MiB: make room, or choose another --work-dir.'
    assert.equal(watch.problem, problem)
    disks['/work'] = 29 * 1024 * 1024
    await look()
    assert.match(watch.problem ?? '', /Only 29 MiB/)
    disks['/work'] = RESERVE_BYTES
    await look()
    assert.equal(watch.problem, null)
    disks['/outbox'] = RESERVE_BYTES - 1
    await look()
    assert.match(watch.problem ?? '', /Only 63 MiB are free in \/outbox/)
    assert.deepEqual(changes, [problem, null, watch.problem])
  })

  it('leaves a folder that is gone to the job that needs it', async (t) => {
    const { watch, changes } = await watchOf(t, { '/outbox': RESERVE_BYTES })
    assert.deepEqual([watch.problem, changes], [null, []])
  })

  it('looks at the folder of models only while one has to be fetched', async (t) => {
    let isUsed = false
    const models = { folder: '/models', flag: '--models-dir', isUsed: async () => isUsed }
    const folders = [...FOLDERS, models]
    const disks = { '/work': RESERVE_BYTES, '/outbox': RESERVE_BYTES, '/models': 0 }
    const { watch, look } = await watchOf(t, disks, { folders })
    assert.equal(watch.problem, null)
    isUsed = true
    await look()
    assert.match(watch.problem ?? '', /^Only 0 MiB are free in \/models, .*another --models-dir\.$/)
  })

  it('knows of a quota that is used up, of which a disk says nothing', async (t) => {
    const disks = { '/work': RESERVE_BYTES, '/outbox': RESERVE_BYTES }
    let error: Error | null = Object.assign(new Error('Unknown system error -122'), {
      code: 'Unknown system error -122',
      errno: -122,
    })
    const write = async (folder: string): Promise<void> => {
      if (error !== null && folder === '/outbox') throw error
    }
    const { watch, changes, look } = await watchOf(t, disks, { write })
    const problem =
      'Cannot write into /outbox (disk quota exceeded): make room, or choose another --work-dir.'
    assert.equal(watch.problem, problem)
    error = null
    await look()
    assert.deepEqual(changes, [problem, null])
  })

  it('knows of a disk that takes no more files, though it has room', async (t) => {
    const disk = await mountDisk(256 * 1024 * 1024, 3)
    if (disk === null) return t.skip(NO_MOUNT)
    try {
      const changes: (string | null)[] = []
      const options = {
        folders: [{ folder: disk.dir, flag: '--work-dir' }],
        onChange: (problem: string | null) => changes.push(problem),
      }
      await writeFile(path.join(disk.dir, 'one'), '')
      const roomy = new DiskWatch(options)
      await roomy.start()
      await roomy.close()
      assert.deepEqual([changes, await readdir(disk.dir)], [[], ['one']])
      await writeFile(path.join(disk.dir, 'two'), '')
      const full = new DiskWatch(options)
      await full.start()
      await full.close()
      assert.match(String(changes), /^Cannot write into .* no free inodes\)/)
    } finally {
      await disk.release()
    }
  })
})
