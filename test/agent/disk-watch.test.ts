import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { RESERVE_BYTES } from '../../agent/host/free-space.ts'
import { DiskWatch } from '../../agent/work/disk-watch.ts'

/** One whose next look comes when it is asked for, at disks with so many bytes. */
async function watchOf(t: TestContext, disks: Record<string, number>) {
  const changes: (string | null)[] = []
  let lookAgain = (): void => undefined
  let looked = (): void => undefined
  const watch = new DiskWatch({
    folders: ['/work', '/outbox'],
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
})
