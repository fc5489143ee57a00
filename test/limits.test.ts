import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { family, isAlive } from '../scripts/process-tree.ts'
import { startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { CLIPS } from './agent/fixtures.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { engineFlags, goOn, stopped } from './faults/held-programs.ts'
import { tempFolder } from './shared/temp-folder.ts'

const skip = process.platform === 'win32' ? 'sends signals' : false

describe('an agent on a rented machine', { timeout: 240_000 }, () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  let client: TestClient
  let quick: string[]
  /** An engine that stops before it is done with a job. */
  let held: string[]

  before(async () => {
    coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    client = new TestClient(coordinator.url)
    quick = await engineFlags(folder, 'quick', { says: CLIPS.austen.text })
    held = await engineFlags(folder, 'held', { says: CLIPS.jfk.text, held: true })
  })
  after(() => coordinator.signal('SIGKILL'))

  const start = (engine: readonly string[], ...args: string[]) =>
    startAgent(coordinator.url, folder, 'rented', ...engine, ...args)
  const upload = async (): Promise<string> => await client.upload(CLIPS.austen.file, 'audio')

  test('ends with 10 when there is nothing to do for long enough, and not before its job is done', async () => {
    const jobId = await upload()
    const agent = start(quick, '--idle-timeout', '1s')
    assert.equal((await agent.ended).exitCode, 10)
    assert.equal((await client.detail(jobId)).status, 'completed')
  })

  test('ends with 11 when it has done as many jobs as it may, the one that waited among them', async () => {
    const jobs = []
    for (let n = 0; n < 3; n += 1) jobs.push(await upload())
    const agent = start(quick, '--max-jobs', '2')
    assert.equal((await agent.ended).exitCode, 11)
    const ended = await Promise.all(jobs.map((jobId) => client.detail(jobId)))
    const found = ended.map(({ status, attempts }) => [status, attempts.length])
    assert.deepEqual(found, [
      ['completed', 1],
      ['completed', 1],
      ['pending', 0],
    ])
    await client.cancel(jobs[2]!)
  })

  test('ends with 12 when its time is over, with what runs finished and what waits given back', async () => {
    const jobs = [await upload(), await upload()]
    const agent = start(held, '--max-uptime', '3s')
    const engine = await stopped(agent.pid)
    for (const jobId of jobs) await client.until(jobId, ({ attempts }) => attempts.length === 1)
    await agent.line((line) => line.includes('--max-uptime is reached'))
    goOn(engine)
    assert.equal((await agent.ended).exitCode, 12)
    const ended = await Promise.all(jobs.map((jobId) => client.detail(jobId)))
    // The one that was ready first.
    const found = ended.map(
      ({ status, attempts, retry_count: retries }) =>
        `${status}, ${attempts[0]?.outcome}, ${retries}`,
    )
    assert.deepEqual(new Set(found), new Set(['completed, completed, 0', 'pending, released, 0']))
    for (const { job_id: jobId, status } of ended)
      if (status === 'pending') await client.cancel(jobId)
  })

  test('ends with 13 when its host is taken away, and gives back what runs', async () => {
    const jobId = await upload()
    const file = path.join(folder, 'preempted')
    const agent = start(held, '--preempt-file', file)
    await stopped(agent.pid)
    await writeFile(file, '')
    assert.equal((await agent.ended).exitCode, 13)
    const { status, attempts } = await client.detail(jobId)
    assert.deepEqual([status, attempts[0]?.outcome], ['pending', 'released'])
    await client.cancel(jobId)
  })

  test('ends with 0 after one job, however many it might do', async () => {
    const jobs = [await upload(), await upload()]
    const agent = start(quick, '--once', '--max-jobs', '5')
    assert.equal((await agent.ended).exitCode, 0)
    const statuses = await Promise.all(jobs.map(async (id) => (await client.detail(id)).status))
    assert.deepEqual(statuses, ['completed', 'pending'])
    await client.cancel(jobs[1]!)
  })

  test('ends with a signal’s exit code when one cuts the last job short', { skip }, async () => {
    const jobId = await upload()
    const agent = start(held, '--max-jobs', '1')
    await stopped(agent.pid)
    const children = family(agent.pid).filter((pid) => pid !== agent.pid)
    agent.signal('SIGTERM')
    await agent.line((line) => line.includes('Draining: '))
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 143)
    assert.deepEqual(children.filter(isAlive), [])
    assert.equal((await client.detail(jobId)).attempts[0]?.outcome, 'released')
    await client.cancel(jobId)
  })

  test('ends with 0 when a signal comes and what runs is finished', { skip }, async () => {
    const jobId = await upload()
    const agent = start(held, '--max-jobs', '1')
    const engine = await stopped(agent.pid)
    agent.signal('SIGTERM')
    await agent.line((line) => line.includes('Draining: '))
    goOn(engine)
    assert.equal((await agent.ended).exitCode, 0)
    assert.equal((await client.detail(jobId)).status, 'completed')
  })
})
