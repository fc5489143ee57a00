import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Running } from '../../scripts/processes.ts'
import { engineFlags } from './held-programs.ts'
import { type Lane, makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'

/** An agent that was stopped with something to tell, for longer than its lease. */
interface Late {
  lane: Lane
  agent: Running
  jobId: string
}

describe(
  'an agent that is stopped for longer than its lease',
  { skip, timeout: PATIENCE_MS },
  () => {
    let repaired: string
    let scene: Scene
    let success: Late
    let second: Late
    let failure: Late

    before(async () => {
      scene = await Scene.open()
      repaired = path.join(scene.folder, 'repaired')
      const recording = await makeRecording(scene.folder)
      const engine = (name: string, failsWithout?: string): Promise<string[]> =>
        engineFlags(scene.folder, name, {
          says: `heard by ${name}`,
          ...(failsWithout && { failsWithout }),
        })
      const start = async (name: string, flags: readonly string[]): Promise<Late> => {
        const lane = await scene.lane(name)
        // What it has to tell does not arrive, nor a checkpoint of it: another would go on from that, to the same result.
        let hasJob = false
        lane.proxy.fate = ({ kind }) => {
          hasJob ||= kind === 'download'
          return kind === 'result' || (kind === 'heartbeat' && hasJob) ? 'cut' : 'pass'
        }
        const agent = lane.agent(flags)
        const tells = lane.next('result')
        const jobId = await lane.upload(recording)
        await tells
        agent.signal('SIGSTOP')
        return { lane, agent, jobId }
      }
      ;[success, second, failure] = await Promise.all([
        start('success', await engine('success')),
        start('second', await engine('second')),
        start('failure', await engine('failure', repaired)),
      ])
      // Short from here on: until they were stopped, no lease was to end.
      await scene.kill()
      await scene.comeBack('--lease', '3s')
      for (const { jobId } of [success, second, failure]) {
        await scene.client.until(jobId, ({ attempts }) => attempts[0]?.outcome === 'lost')
      }
      await scene.kill()
      await scene.comeBack()
    })
    after(() => scene.close())

    function goOn({ lane, agent }: Late): void {
      // It may not take the job anew before it has told what it had to tell.
      lane.proxy.fate = ({ kind }) => {
        if (kind === 'claim') return 'cut'
        if (kind === 'result') lane.proxy.fate = () => 'pass'
        return 'pass'
      }
      agent.signal('SIGCONT')
    }

    async function outcomes(jobId: string): Promise<(string | null)[]> {
      return (await scene.client.detail(jobId)).attempts.map(({ outcome }) => outcome)
    }

    async function leave({ agent }: Late): Promise<void> {
      agent.signal('SIGTERM')
      assert.equal((await agent.ended).exitCode, 0)
    }

    test('brings a success that counts, once', async () => {
      const { lane, jobId } = success
      goOn(success)
      const job = await lane.ended(jobId)
      assert.deepEqual([job.status, await outcomes(jobId)], ['completed', ['completed']])
      assert.match((await scene.client.result(jobId)).content, /heard by success/)
      await leave(success)
      assert.deepEqual(await lane.files(), [])
    })

    test('brings a success that does not count beside another’s', async () => {
      const { jobId } = second
      const lane = await scene.lane('other', 'second')
      const other = lane.agent([
        ...(await engineFlags(scene.folder, 'other', { says: 'heard by another' })),
        '--once',
      ])
      await lane.hand(jobId)
      assert.equal((await lane.ended(jobId)).status, 'completed')
      assert.equal((await other.ended).exitCode, 0)
      goOn(second)
      await second.agent.line((line) => /was refused and is kept .*another result/.test(line))
      assert.deepEqual(await outcomes(jobId), ['lost', 'completed'])
      assert.match((await scene.client.result(jobId)).content, /heard by another/)
      await leave(second)
    })

    test('brings a failure that counts nothing', async () => {
      const { jobId, agent } = failure
      await writeFile(repaired, '')
      goOn(failure)
      await agent.line((line) => /was refused and is kept .*no longer holds/.test(line))
      const { status, retry_count: retries } = await failure.lane.ended(jobId)
      assert.deepEqual([status, retries], ['completed', 1])
      assert.deepEqual(await outcomes(jobId), ['lost', 'completed'])
      await leave(failure)
    })
  },
)
