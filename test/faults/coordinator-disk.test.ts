import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { run, startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { Asking } from './asking.ts'
import { Place } from './place.ts'
import { freeze, mountDisk, NO_FREEZE, NO_MOUNT, thaw, type Disk } from './small-disk.ts'
import { until } from './until.ts'

const MIB = 1024 * 1024

interface Scene {
  disk: Disk
  dataDir: string
  /** In the media root, which has room. */
  file: string
  coordinator: RunningCoordinator
  asking: Asking
  fill(): void
  free(): void
  again(): Promise<Asking>
}

/** A coordinator whose data folder has a small disk to itself; null where there can be none. */
async function startOnSmallDisk(t: TestContext, files?: number): Promise<Scene | null> {
  const disk = await mountDisk(8 * MIB, files)
  if (disk === null) return null
  t.after(() => disk.release())
  const media = tempFolder()
  const file = path.join(media, 'talk.mp3')
  writeFileSync(file, 'the bytes of a talk')
  const dataDir = path.join(disk.dir, 'data')
  const filler = path.join(disk.dir, 'filler')
  const start = async (): Promise<RunningCoordinator> => {
    const started = await startCoordinator(dataDir, media)
    t.after(() => started.signal('SIGKILL'))
    return started
  }
  const scene = {
    disk,
    dataDir,
    file,
    coordinator: await start(),
    fill: () => assert.throws(() => writeFileSync(filler, Buffer.alloc(8 * MIB)), /ENOSPC/),
    free: () => rmSync(filler),
    async again() {
      scene.coordinator.signal('SIGKILL')
      await scene.coordinator.ended
      scene.coordinator = await start()
      return new Asking(scene.coordinator.url)
    },
  }
  return { ...scene, asking: new Asking(scene.coordinator.url) }
}

function isRefused({ status, body }: { status: number; body: Record<string, unknown> }): void {
  assert.deepEqual([status, body['code']], [507, 'no_space'])
  assert.match(String(body['detail']), /disk space/)
}

describe('while the disk is full', () => {
  test('all that needs space is refused with 507, what needs none goes on, and afterwards all does', async (t) => {
    const scene = await startOnSmallDisk(t)
    if (scene === null) return t.skip(NO_MOUNT)
    const { asking, file, dataDir } = scene
    const made: unknown[] = []
    for (let n = 0; n < 3; n += 1) made.push((await asking.create(file)).body['job_id'])
    made.push((await asking.upload(1_000)).body['job_id'])
    const [job] = await asking.claimed('w1')
    scene.fill()

    // The journal's last page takes a few more.
    for (let answer = await asking.create(file); ; answer = await asking.create(file)) {
      if (answer.status !== 200) {
        isRefused(answer)
        break
      }
      made.push(answer.body['job_id'])
    }
    const text = randomBytes(20_000).toString('hex')
    isRefused(await asking.upload(MIB))
    isRefused(await asking.finish(job!, text))
    isRefused(await asking.finish(job!, 'short'))
    assert.deepEqual(readdirSync(path.join(dataDir, 'sources', '.incoming')), [])
    assert.deepEqual(readdirSync(path.join(dataDir, 'results')), [])
    const beat = await asking.beat('w1', [job!], { checkpoint: { at: 1 } })
    assert.deepEqual((beat.body['jobs'] as { order: string }[])[0]?.order, 'continue')
    assert.equal((await asking.send('GET', '/health')).body['status'], 'ok')
    assert.equal((await asking.send('GET', `/remote-jobs/${String(made[0])}`)).status, 200)

    scene.free()
    assert.equal((await asking.finish(job!, text)).status, 200)
    made.push((await asking.upload(MIB)).body['job_id'], (await asking.create(file)).body['job_id'])
    assert.deepEqual(new Set(await asking.all()), new Set(made))

    const again = await scene.again()
    assert.deepEqual(new Set(await again.all()), new Set(made), 'what was refused is not there')
    const result = await again.send('GET', `/remote-jobs/${job!.job_id}/result`)
    assert.equal(result.body['content'], text)
    const rest = await again.claimed('w2', { max_jobs: 100 })
    assert.equal(rest.length, made.length - 1)
  })

  test('for new files alone, changes are taken, /ready says that the folders lag behind, and then they follow', async (t) => {
    const scene = await startOnSmallDisk(t, 100)
    if (scene === null) return t.skip(NO_MOUNT)
    const { asking, file, dataDir, disk } = scene
    const fillers: string[] = []
    const filler = (): void => {
      fillers.push(path.join(disk.dir, `filler-${fillers.length}`))
      writeFileSync(fillers.at(-1)!, '')
    }
    assert.throws(() => {
      for (;;) filler()
    }, /ENOSPC/)
    const { body } = await asking.create(file)
    const ready = async (): Promise<number> => (await asking.send('GET', '/ready')).status
    await until(async () => (await ready()) === 503)
    for (const one of fillers.slice(0, -1)) rmSync(one)
    await until(async () => (await ready()) === 200)
    assert.ok(existsSync(path.join(dataDir, 'pending', `${String(body['job_id'])}.json`)))
  })

  test('a claim is refused as well, and its job is there for the next', async (t) => {
    const scene = await startOnSmallDisk(t)
    if (scene === null) return t.skip(NO_MOUNT)
    const { asking, file } = scene
    const { body } = await asking.create(file)
    scene.fill()
    for (let full = false; !full;) full = (await asking.create(file)).status === 507
    isRefused(await asking.claim('w1'))
    scene.free()
    const jobs = await asking.claimed('w1', { claim_id: 'another', max_jobs: 100 })
    const ids: unknown[] = jobs.map(({ job_id: id }) => id)
    assert.ok(ids.includes(body['job_id']), 'the first job is not handed out')
  })

  test('an upload that came and could not be written down leaves no file', async (t) => {
    const scene = await startOnSmallDisk(t)
    if (scene === null) return t.skip(NO_MOUNT)
    const { asking, file, dataDir } = scene
    scene.fill()
    for (let full = false; !full;) full = (await asking.create(file)).status === 507
    // A file without bytes needs no room.
    isRefused(await asking.upload(0))
    assert.deepEqual(readdirSync(path.join(dataDir, 'sources')), ['.incoming'])
  })

  test('a coordinator that starts says so and ends, and loses nothing by it', async (t) => {
    const scene = await startOnSmallDisk(t)
    if (scene === null) return t.skip(NO_MOUNT)
    const { asking, file } = scene
    const made: unknown[] = []
    for (let n = 0; n < 20; n += 1) made.push((await asking.create(file)).body['job_id'])
    scene.fill()
    scene.coordinator.signal('SIGKILL')
    await scene.coordinator.ended
    const args = ['serve', '--port', '0', '--data-dir', scene.dataDir]
    const refused = run('coordinator', [...args, '--media-root', path.dirname(file)])
    const { exitCode } = await refused.ended
    assert.equal(exitCode, 2, refused.lines.join('\n'))
    assert.match(refused.lines[0] ?? '', /data folder .* cannot be used .*ENOSPC/)
    scene.free()
    const again = await scene.again()
    assert.deepEqual(new Set(await again.all()), new Set(made))
  })
})

describe('a data folder that cannot be written', () => {
  test('is refused at the start, in a sentence', async (t) => {
    const disk = await mountDisk(8 * MIB)
    if (disk === null) return t.skip(NO_MOUNT)
    t.after(() => disk.release())
    mkdirSync(path.join(disk.dir, 'data'))
    await disk.readOnly(true)
    const folders = ['--data-dir', path.join(disk.dir, 'data'), '--media-root', disk.dir]
    const refused = run('coordinator', ['serve', '--port', '0', ...folders])
    assert.equal((await refused.ended).exitCode, 2)
    assert.match(refused.lines[0] ?? '', /data folder .* cannot be used .*--data-dir/)
    assert.equal(refused.lines.filter((line) => line !== '').length, 1, refused.lines.join('\n'))
  })

  test('any more in its status folders still takes every change, and they follow once it can', async (t) => {
    const place = new Place(t)
    const { dataDir, file } = place
    const asking = await place.start()
    const pending = path.join(dataDir, 'pending')
    if (!(await freeze(pending))) return t.skip(NO_FREEZE)
    t.after(() => thaw(pending))
    const { body } = await asking.create(file)
    const ready = async (): Promise<number> => (await asking.send('GET', '/ready')).status
    await until(async () => (await ready()) === 503)
    assert.equal((await asking.send('GET', '/health')).status, 200)
    assert.equal((await asking.claimed('w1')).length, 1)
    await thaw(pending)
    await until(async () => (await ready()) === 200)
    assert.deepEqual(readdirSync(path.join(dataDir, 'processing')), [
      `${String(body['job_id'])}.json`,
    ])
  })
})
