import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import {
  run,
  startCoordinator,
  type Running,
  type RunningCoordinator,
} from '../scripts/processes.ts'
import { CLIPS } from './agent/fixtures.ts'
import { TestClient, type Detail } from './conversion-set-up.ts'
import { engineFlags, goOn, stopped } from './faults/held-programs.ts'
import { tempFolder } from './shared/temp-folder.ts'

const JOBS = 4

interface Place {
  url: string
  key?: string
}

interface Joined {
  url: string
  client: TestClient
}

/** A server that takes connections and never says a word. */
async function startSilent(t: TestContext): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A port where nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

describe('an agent of several coordinators', () => {
  const folder = tempFolder()
  const coordinators: RunningCoordinator[] = []
  const a = {} as Joined
  const b = {} as Joined

  before(async () => {
    for (const [place, name] of [
      [a, 'a'],
      [b, 'b'],
    ] as const) {
      const coordinator = await startCoordinator(path.join(folder, name), folder)
      coordinators.push(coordinator)
      Object.assign(place, { url: coordinator.url, client: new TestClient(coordinator.url) })
    }
  })
  after(() => {
    for (const coordinator of coordinators) coordinator.signal('SIGKILL')
  })

  async function start(places: readonly Place[], ...args: string[]): Promise<Running> {
    const flags: string[] = []
    for (const { url, key } of places) {
      if (key !== undefined) {
        await writeFile(path.join(folder, 'key'), key)
        await chmod(path.join(folder, 'key'), 0o600)
      }
      flags.push('--url', url, '--api-key-file', key === undefined ? '-' : path.join(folder, 'key'))
    }
    const work = ['--worker-id', 'both', '--work-dir', path.join(folder, 'work')]
    const engine = await engineFlags(folder, 'quick', { says: CLIPS.austen.text })
    return run('agent', ['start', ...flags, ...work, ...engine, ...args])
  }

  async function uploads(client: TestClient, count: number): Promise<string[]> {
    const ids: string[] = []
    while (ids.length < count) ids.push(await client.upload(CLIPS.austen.file, 'audio'))
    return ids
  }

  test('gives each as much of its one slot, job for job', async () => {
    const jobs = [await uploads(a.client, JOBS), await uploads(b.client, JOBS)] as const
    const agent = await start([a, b], '--exit-when-idle')
    assert.equal((await agent.ended).exitCode, 0)
    const details = await Promise.all([
      ...jobs[0].map((id) => a.client.detail(id)),
      ...jobs[1].map((id) => b.client.detail(id)),
    ])
    const order = details
      .map((job, n) => ({ of: n < JOBS ? 'a' : 'b', at: endOf(job) }))
      .toSorted((one, other) => one.at - other.at)
      .map(({ of }) => of)
    let ahead = 0
    for (const of of order) {
      ahead += of === 'a' ? 1 : -1
      // One that was heard of first may have had the slot and the place behind it.
      assert.ok(Math.abs(ahead) <= 2, order.join())
    }
    assert.equal(ahead, 0)
  })

  test('is not held up by a closed port, and ends after a signal', async () => {
    const jobs = await uploads(a.client, 2)
    const agent = await start([{ url: await deadUrl() }, a])
    for (const id of jobs) assert.equal((await a.client.ended(id)).status, 'completed')
    await agent.line((line) => /Cannot reach the coordinator/.test(line))
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  test('is not held up by one that never answers, and ends after a signal', async (t) => {
    const jobs = await uploads(a.client, 2)
    const agent = await start([{ url: await startSilent(t) }, a])
    for (const id of jobs) assert.equal((await a.client.ended(id)).status, 'completed')
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  test('ends with 3 when one of them refuses it', async (t) => {
    const guarded = await startGuarded(t, 'guarded', 'right')
    const agent = await start([a, { url: guarded.url, key: 'wrong' }])
    assert.equal((await agent.ended).exitCode, 3)
  })

  test('finishes what the one gave it when another refuses it meanwhile', async (t) => {
    const before = await startGuarded(t, 'changed', 'old')
    const held = await engineFlags(folder, 'held', { held: true, says: CLIPS.austen.text })
    const agent = await start([a, { url: before.url, key: 'old' }], ...held)
    const [jobId] = (await uploads(a.client, 1)) as [string]
    const engine = await stopped(agent.pid)
    before.signal('SIGKILL')
    await before.ended
    const { port } = new URL(before.url)
    await startGuarded(t, 'changed', 'new', '--port', port)
    goOn(engine)
    assert.equal((await agent.ended).exitCode, 3)
    const { status, attempts } = await a.client.detail(jobId)
    assert.deepEqual([status, attempts.length], ['completed', 1])
  })

  async function startGuarded(
    t: TestContext,
    name: string,
    key: string,
    ...args: string[]
  ): Promise<RunningCoordinator> {
    const env = { MORAG_API_KEY: key }
    const started = await startCoordinator(path.join(folder, name), folder, { env, args })
    t.after(() => started.signal('SIGKILL'))
    return started
  }
})

function endOf(job: Detail): number {
  const { completed_at: at } = job as Detail & { completed_at: string }
  return Date.parse(at)
}
