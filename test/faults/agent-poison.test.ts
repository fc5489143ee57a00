import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { CLIPS } from '../agent/fixtures.ts'
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
    assert.match(job.error_message ?? '', /Two workers in a row went silent/)
    const other = await lane.upload(CLIPS.austen.file)
    const agent = lane.agent([...flags, '--exit-when-idle'])
    assert.equal((await lane.ended(other)).status, 'completed')
    assert.equal((await agent.ended).exitCode, 0)
    assert.deepEqual(await lane.files(), [])
  },
)
