import assert from 'node:assert/strict'
import path from 'node:path'
import { after, test } from 'node:test'
import { CLIPS } from '../agent/fixtures.ts'
import { Asking } from './asking.ts'
import { engineFlags } from './held-programs.ts'
import { PATIENCE_MS, Scene, skip } from './scene.ts'

let scene: Scene | null = null
after(() => scene?.close())

test(
  'a file whose engine kills its agent twice has failed, and that agent goes on with others',
  { skip, timeout: PATIENCE_MS },
  async () => {
    scene = await Scene.open({ args: ['--lease', '3s'] })
    const lane = await scene.lane('poisoned')
    // Between the lengths of the two recordings.
    const flags = await engineFlags(scene.folder, 'engine', {
      says: 'hello',
      killsAgentOver: 300_000,
    })
    const poison = await lane.upload(CLIPS.jfk.file)
    for (const time of [0, 1]) {
      const agent = lane.agent(flags)
      assert.equal((await agent.ended).signal, 'SIGKILL')
      await scene.client.until(poison, ({ attempts }) => attempts[time]?.outcome === 'lost')
      // Its next try would not be soon.
      if (time === 0) await lane.hand(poison)
    }
    const job = await scene.client.ended(poison)
    assert.deepEqual([job.status, job.error_code], ['failed', 'worker_lost'])
    assert.match(job.error_message ?? '', /The leases of two workers in a row expired/)
    const other = await lane.upload(CLIPS.austen.file)
    const agent = lane.agent([...flags, '--exit-when-idle'])
    assert.equal((await lane.ended(other)).status, 'completed')
    assert.equal((await agent.ended).exitCode, 0)
    assert.deepEqual(await lane.files(), [])
  },
)

test(
  'an agent whose engine fails three jobs is set aside where everybody sees it, and another does them',
  { skip, timeout: PATIENCE_MS },
  async (t) => {
    const own = await Scene.open()
    t.after(() => own.close())
    const asking = new Asking(own.url)
    const bad = await own.lane('bad', 'shared')
    const failsWithout = path.join(own.folder, 'mended')
    const broken = bad.agent(
      await engineFlags(own.folder, 'broken', { says: 'mended', failsWithout }),
    )
    const jobs: string[] = []
    for (let n = 0; n < 3; n += 1) {
      jobs.push(await bad.upload(CLIPS.austen.file))
      await own.client.until(jobs[n]!, ({ attempts }) => attempts[0]?.outcome === 'failed')
    }
    const aside = async (): Promise<{ reason: string } | null> => {
      const { body } = await asking.send('GET', '/workers')
      const workers = body['workers'] as {
        worker_id: string
        set_aside: { reason: string } | null
      }[]
      return workers.find((one) => one.worker_id === 'bad')!.set_aside
    }
    assert.match((await aside())?.reason ?? '', /failed, on 3 different jobs: engine_failed/)
    await own.coordinator.line((line) => /"worker_id":"bad".*"msg":"worker set aside"/.test(line))
    const metrics = await (await fetch(`${own.url}/metrics`)).text()
    assert.match(metrics, /^morag_workers_set_aside 1$/m)

    const good = await own.lane('good', 'shared')
    good.agent(await engineFlags(own.folder, 'sound', { says: 'heard' }))
    for (const jobId of jobs) await good.hand(jobId)
    // The first waits for work as the other does, and has waited for longer.
    for (const jobId of [...jobs, await bad.upload(CLIPS.austen.file)]) {
      const { status, attempts } = await good.ended(jobId)
      assert.deepEqual([status, attempts.at(-1)?.worker_id], ['completed', 'good'])
    }
    broken.signal('SIGTERM')
    assert.equal((await broken.ended).exitCode, 0)
  },
)
