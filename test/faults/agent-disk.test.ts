import assert from 'node:assert/strict'
import { mkdir, open, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { isSystemError } from '../../shared/errors.ts'
import { engineFlags, goOn, goOnAlways, heldTools, stopped } from './held-programs.ts'
import { makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'
import { mountDisk, NO_MOUNT, type Disk } from './small-disk.ts'
import { until } from './until.ts'

const MIB = 1024 * 1024
/** 64 MiB stay free beside all that is written. */
const DISK_MIB = 80

describe('an agent whose work disk is full', { skip, timeout: PATIENCE_MS, concurrency: 3 }, () => {
  let scene: Scene
  let recording: string

  before(async () => {
    scene = await Scene.open()
    recording = await makeRecording(scene.folder)
  })
  after(() => scene.close())

  async function diskOf(t: TestContext, bytes = DISK_MIB * MIB): Promise<Disk | null> {
    const disk = await mountDisk(bytes)
    if (disk === null) t.skip(NO_MOUNT)
    else t.after(() => disk.release())
    return disk
  }

  /** Writes so much to it, or as much as goes; returns what takes that away. */
  async function fill({ dir }: Disk, mib = Infinity): Promise<() => Promise<void>> {
    const file = path.join(dir, 'filler')
    const handle = await open(file, 'w')
    try {
      for (let written = 0; written < mib; written += 1) {
        await handle.appendFile(Buffer.alloc(MIB, 1))
      }
    } catch (error) {
      if (!isSystemError(error, 'ENOSPC')) throw error
    } finally {
      await handle.close()
    }
    return () => rm(file)
  }

  async function errorOf(jobId: string, number: number): Promise<string | null> {
    const { client } = scene
    const { attempts } = await client.until(
      jobId,
      (job) => job.attempts[number - 1]?.outcome === 'failed',
    )
    return (attempts[number - 1] as unknown as { error_code: string }).error_code
  }

  test('gives a job back that it has no room for, and does it when there is', async (t) => {
    const disk = await diskOf(t)
    if (disk === null) return
    const lane = await scene.lane('no-room')
    // Room for an agent, and not for the two megabytes beside it.
    const empty = await fill(disk, DISK_MIB - 65)
    const flags = await engineFlags(scene.folder, 'first', { says: 'hello' })
    const agent = lane.agent([...flags, '--work-dir', disk.dir])
    const jobId = await lane.upload(recording)
    assert.equal(await errorOf(jobId, 1), 'no_space')
    assert.equal(lane.proxy.of('download').length, 0)
    await empty()
    await lane.hand(jobId)
    assert.equal((await lane.ended(jobId)).status, 'completed')
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  test('takes nothing while it is full, says so everywhere, and goes on when there is room', async (t) => {
    const disk = await diskOf(t)
    if (disk === null) return
    const { client, url } = scene
    const lane = await scene.lane('full')
    const empty = await fill(disk, DISK_MIB - 30)
    const flags = await engineFlags(scene.folder, 'full', { says: 'hello' })
    const health = ['--health-addr', '127.0.0.1:0', '--log-format', 'json']
    const agent = lane.agent([...flags, ...health, '--work-dir', disk.dir])
    const jobId = await lane.upload(recording)
    const line = await agent.line((one) => one.includes('health_url'))
    const { health_url: healthUrl } = JSON.parse(line) as { health_url: string }
    const why = /Only \d+ MiB are free in .* make room, or choose another --work-dir/
    await agent.line((one) => why.test(one))
    const ready = await fetch(`${healthUrl}/readyz`)
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), why)
    await until(async () => {
      const answer = await fetch(`${url}/api/v1/workers`)
      const { workers } = (await answer.json()) as {
        workers: { worker_id: string; paused: { reason: string }[] }[]
      }
      const paused = workers.find(({ worker_id }) => worker_id === lane.name)?.paused ?? []
      return paused.some(({ reason }) => why.test(reason))
    })
    const { status, attempts } = await client.detail(jobId)
    assert.deepEqual([status, attempts], ['pending', []])
    assert.equal(lane.proxy.of('claim').length, 0)
    await empty()
    assert.equal((await lane.ended(jobId)).status, 'completed')
    assert.equal((await fetch(`${healthUrl}/readyz`)).status, 200)
    assert.equal(agent.lines.filter((one) => why.test(one)).length, 1)
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  test('that fills up under its hands tells so all the same, and does the job later', async (t) => {
    const disk = await diskOf(t)
    if (disk === null) return
    const lane = await scene.lane('filled')
    const flags = await engineFlags(scene.folder, 'second', { says: 'hello' })
    const ffmpeg = ['--ffmpeg', await heldTools(scene.folder, 'ffmpeg')]
    const agent = lane.agent([...flags, ...ffmpeg, '--work-dir', disk.dir])
    const jobId = await lane.upload(recording)
    await stopped(agent.pid)
    const empty = await fill(disk)
    // It is run more than once.
    const released = goOnAlways(agent.pid)
    assert.equal(await errorOf(jobId, 1), 'no_space')
    await empty()
    await lane.hand(jobId)
    assert.equal((await lane.ended(jobId)).status, 'completed')
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
    await released
  })

  test('that takes no result any more hands it in from memory', async (t) => {
    // Of its own: what ends with the job would make room for it otherwise.
    const disk = await diskOf(t)
    if (disk === null) return
    const lane = await scene.lane('last')
    const own = path.join(scene.folder, 'work', lane.name)
    await mkdir(own, { recursive: true })
    await symlink(disk.dir, path.join(own, 'outbox'))
    const agent = lane.agent(
      await engineFlags(scene.folder, 'third', { says: 'hello', held: true }),
    )
    const jobId = await lane.upload(recording)
    const engine = await stopped(agent.pid)
    await fill(disk)
    goOn(engine)
    const { status, attempts } = await lane.ended(jobId)
    assert.deepEqual([status, attempts.length], ['completed', 1])
    assert.match((await scene.client.result(jobId)).content, /hello/)
    await agent.line((line) => /could not be saved and is sent unsaved: .*ENOSPC/.test(line))
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })
})
