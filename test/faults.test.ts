import assert from 'node:assert/strict'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { family, isAlive } from '../scripts/process-tree.ts'
import { startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { CLIPS, ffmpeg } from './agent/fixtures.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { engineFlags, goOn, stopped } from './faults/held-programs.ts'
import { tempFolder } from './shared/temp-folder.ts'

const skip = process.platform === 'linux' ? false : 'looks at processes through /proc'

/** The processes of an agent's family, its own left out. */
const childrenOf = (pid: number): number[] => family(pid).filter((one) => one !== pid)

async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await delay(10)
}

describe('when something dies in the middle of a job', { skip }, () => {
  const folder = tempFolder()
  /** An engine that stops before it says anything. */
  let held: string[]

  before(async () => {
    held = await engineFlags(folder, 'held', { held: true, says: CLIPS.jfk.text })
  })

  async function start(
    name: string,
    ...args: string[]
  ): Promise<{ coordinator: RunningCoordinator; client: TestClient }> {
    const coordinator = await startCoordinator(path.join(folder, name), folder, { args })
    return { coordinator, client: new TestClient(coordinator.url) }
  }

  test('another agent finishes what a killed one had, and the engine dies with its agent', async () => {
    const { coordinator, client } = await start('agent-killed', '--lease', '3s')
    const first = startAgent(coordinator.url, folder, 'first')
    // The embedded engine, and more speech than it does before it is killed.
    const jobId = await client.upload(
      await ffmpeg`-stream_loop 5 -i ${CLIPS.jfk.file} ${path.join(folder, 'long.wav')}`,
      'audio',
    )
    await client.until(jobId, ({ stage }) => stage === 'transcribing')
    const children = childrenOf(first.pid)
    assert.notEqual(children.length, 0)
    first.signal('SIGKILL')
    await gone(children)
    const second = startAgent(coordinator.url, folder, 'second', '--once')
    const job = await client.ended(jobId)
    assert.deepEqual(
      job.attempts.map(({ worker_id: worker, outcome }) => [worker, outcome]),
      [
        ['first', 'lost'],
        ['second', 'completed'],
      ],
    )
    assert.equal((await second.ended).exitCode, 0)
    coordinator.signal('SIGKILL')
  })

  test('a coordinator that is killed and comes back has lost neither the attempt nor its result', async () => {
    const { coordinator, client } = await start('coordinator-killed')
    const agent = startAgent(coordinator.url, folder, 'steady', '--once', ...held)
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    const engine = await stopped(agent.pid)
    coordinator.signal('SIGKILL')
    await coordinator.ended
    const port = new URL(coordinator.url).port
    const again = await startCoordinator(path.join(folder, 'coordinator-killed'), folder, {
      args: ['--port', port],
    })
    goOn(engine)
    const job = await client.ended(jobId)
    assert.equal(job.status, 'completed')
    assert.deepEqual(
      job.attempts.map(({ outcome }) => outcome),
      ['completed'],
    )
    assert.equal((await agent.ended).exitCode, 0)
    again.signal('SIGKILL')
  })

  test('an agent that gets a signal to stop finishes its job first', async () => {
    const { coordinator, client } = await start('drained')
    const agent = startAgent(coordinator.url, folder, 'drained', ...held)
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    const engine = await stopped(agent.pid)
    agent.signal('SIGTERM')
    await agent.line((line) => /drain|finish/i.test(line))
    goOn(engine)
    assert.equal((await agent.ended).exitCode, 0)
    assert.equal((await client.detail(jobId)).status, 'completed')
    coordinator.signal('SIGKILL')
  })

  test('an agent that gets two signals gives its job back and leaves no process behind', async () => {
    const { coordinator, client } = await start('released')
    const agent = startAgent(coordinator.url, folder, 'hurried', ...held)
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    await stopped(agent.pid)
    const children = childrenOf(agent.pid)
    agent.signal('SIGINT')
    await agent.line((line) => /drain|finish/i.test(line))
    agent.signal('SIGINT')
    assert.equal((await agent.ended).exitCode, 130)
    assert.deepEqual(children.filter(isAlive), [])
    const job = await client.detail(jobId)
    assert.deepEqual(
      [job.status, job.retry_count, job.attempts[0]?.outcome],
      ['pending', 0, 'released'],
    )
    coordinator.signal('SIGKILL')
  })

  test('a cancelled job stops where it is, and the agent takes the next', async () => {
    const { coordinator, client } = await start('cancelled', '--lease', '3s')
    const agent = startAgent(coordinator.url, folder, 'obedient', ...held)
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    const engine = await stopped(agent.pid)
    await client.cancel(jobId)
    await gone([engine])
    const next = await client.upload(CLIPS.austen.file, 'audio')
    goOn(await stopped(agent.pid))
    assert.equal((await client.ended(next)).status, 'completed')
    assert.equal((await client.detail(jobId)).status, 'cancelled')
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
    coordinator.signal('SIGKILL')
  })

  test('a result waits on the disk for a coordinator that is away, also through the agent’s end', async () => {
    const { coordinator, client } = await start('away')
    const agent = startAgent(coordinator.url, folder, 'patient', ...held)
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    const engine = await stopped(agent.pid)
    coordinator.signal('SIGKILL')
    await coordinator.ended
    // It finishes the job with nobody to give it to, and leaves with the result on the disk.
    agent.signal('SIGTERM')
    goOn(engine)
    await agent.ended
    const port = new URL(coordinator.url).port
    const again = await startCoordinator(path.join(folder, 'away'), folder, {
      args: ['--port', port],
    })
    const later = startAgent(again.url, folder, 'patient', '--exit-when-idle', ...held)
    const job = await client.ended(jobId)
    assert.deepEqual(
      job.attempts.map(({ outcome }) => outcome),
      ['completed'],
    )
    assert.equal((await later.ended).exitCode, 0)
    again.signal('SIGKILL')
  })
})
