import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Running } from '../../scripts/processes.ts'
import { engineFlags, goOn, stopped } from './held-programs.ts'
import { makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const HOUR_MS = 3_600_000

/** A program whose clock is set by so much at SIGUSR2. */
function steppable(ms: number): { env: Record<string, string> } {
  const imports = [...LOADER, '--import', moduleUrl(new URL('clock-step.ts', import.meta.url))]
  return { env: { NODE_OPTIONS: imports.join(' '), CLOCK_STEP_MS: String(ms) } }
}

async function step(program: Running): Promise<void> {
  program.signal('SIGUSR2')
  await program.line((line) => line.includes('the clock was set'))
}

for (const [title, ms] of [
  ['an hour ahead', HOUR_MS],
  ['an hour back', -HOUR_MS],
] as const) {
  describe(`a clock that is set ${title}`, { skip, timeout: PATIENCE_MS }, () => {
    let scene: Scene
    let recording: string
    let held: string[]

    before(async () => {
      scene = await Scene.open({ ...steppable(ms), args: ['--lease', '15s'] })
      recording = await makeRecording(scene.folder)
      held = await engineFlags(scene.folder, 'held', { says: 'in time', held: true })
    })
    after(() => scene.close())

    test('on both sides costs no attempt, and the next job comes at once', async () => {
      const lane = await scene.lane('stepped')
      const agent = lane.agent(held, steppable(ms))
      const first = await lane.upload(recording)
      const engine = await stopped(agent.pid)
      await step(agent)
      await step(scene.coordinator)
      // A sweep has looked at its lease, and then a heartbeat has come.
      await scene.coordinator.line((line) => /system clock was set/.test(line))
      await lane.next('heartbeat')
      goOn(engine)
      const second = await lane.upload(recording)
      goOn(await stopped(agent.pid))
      for (const jobId of [first, second]) {
        const job = await lane.ended(jobId)
        assert.deepEqual(
          [job.status, job.attempts.map(({ outcome }) => outcome)],
          ['completed', ['completed']],
        )
      }
      agent.signal('SIGTERM')
      assert.equal((await agent.ended).exitCode, 0)
    })
  })
}
