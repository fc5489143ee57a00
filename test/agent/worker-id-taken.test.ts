import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { Outbox } from '../../agent/client/outbox.ts'
import { writeDelivery } from '../../agent/client/delivery-record.ts'
import type { StartSettings } from '../../agent/settings/config.ts'
import { openNamedWorkspace } from '../../agent/work/free-name.ts'
import { coordinatorFolder, openWorkspace, type Workspace } from '../../agent/work/workspace.ts'
import { statusText } from '../../agent/status/status-text.ts'
import { askAgents } from '../../agent/status/control-client.ts'
import { run } from '../../scripts/processes.ts'
import { startRunning, tokensIn } from '../coordinator/running.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const BEAT = { state: 'idle', version: '1', slots: 1, device: null } as const

/** A coordinator with the tokens of two machines; `use` lets the first go by a worker id. */
async function scene(t: TestContext) {
  const { url, dataDir } = await startRunning(t)
  const tokens = tokensIn(dataDir)
  const create = async (name: string): Promise<string> =>
    (await tokens.create({ role: 'worker', name, types: null, lifeMs: null })).token
  const [first, second] = [await create('first'), await create('second')]
  const connection = new Connection({ url, apiKey: first })
  t.after(() => connection.close())
  const use = async (workerId: string): Promise<void> =>
    void (await new Client(connection).heartbeat(workerId, { ...BEAT, jobs: [] }))
  const workDir = tempFolder()
  const events: string[] = []
  const open = async (workerId: string | null): Promise<Workspace> => {
    const coordinators = [{ url, apiKey: second }]
    const settings = { workDir, workerId, coordinators } as unknown as StartSettings
    const event = (_: unknown, text: string): void => void events.push(text)
    const workspace = await openNamedWorkspace(settings, { event })
    t.after(() => workspace.release())
    return workspace
  }
  return { url, second, use, open, workDir, events }
}

/** A result as an agent that was stopped leaves it. */
async function keepResult(folder: string, jobId: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const result = { success: true, content: '# Talk', processingTime: 1, leaseToken: 'lease' }
  const outgoing = { jobId, attempt: 1, result, artifacts: ['frame.jpg'] }
  await writeFile(path.join(folder, `${jobId}.1.json`), writeDelivery(outgoing))
}

describe('an agent whose worker id another token goes by', () => {
  it('takes the next name where its own is the default one, and says so', async (t) => {
    const { use, open, workDir, events } = await scene(t)
    const workspace = await openWorkspace(workDir, null)
    await workspace.release()
    const name = workspace.workerId
    await use(name)
    await use(`${name}-2`)
    assert.equal((await open(null)).workerId, `${name}-3`)
    assert.equal(events.length, 2)
    assert.match(events[0]!, /^Another token uses the worker id .* Taking the next name\.$/)
  })

  it('delivers what it had not delivered under the name that it had before', async (t) => {
    const { url, use, open, workDir, events } = await scene(t)
    const before = await openWorkspace(workDir, null)
    await before.release()
    const name = before.workerId
    await use(name)
    const folder = path.join(before.outbox, coordinatorFolder(url))
    await keepResult(folder, 'job-1')
    await mkdir(path.join(folder, 'job-1.1.files'))
    await writeFile(path.join(folder, 'job-1.1.files', 'frame.jpg'), 'picture')
    // Of others: of a coordinator that it does not work for, of an agent with a name of its own, and of one that runs.
    const elsewhere = path.join(before.outbox, coordinatorFolder('http://elsewhere'))
    await keepResult(elsewhere, 'job-2')
    const named = path.join(workDir, 'gpu-7', 'outbox', coordinatorFolder(url))
    await keepResult(named, 'job-3')
    const runs = await openWorkspace(workDir, `${name}-5`)
    t.after(() => runs.release())
    await keepResult(path.join(runs.outbox, coordinatorFolder(url)), 'job-4')
    const { workerId, outbox, leftovers } = await open(null)
    assert.equal(workerId, `${name}-2`)
    const sent: [string, string[]][] = []
    const opened = await Outbox.open(path.join(outbox, coordinatorFolder(url)), {
      deliver: async ({ jobId }, files) => void sent.push([jobId, await readdir(files)]),
      onRefused() {},
      onFilesLost() {},
      onDelayed() {},
    })
    assert.equal(await opened.flush(5_000), 0)
    await opened.close()
    assert.deepEqual(sent, [['job-1', ['frame.jpg']]])
    assert.match(events[1]!, new RegExp(`takes over 1 undelivered result\\(s\\) of ${name}\\.$`))
    const left = [named, elsewhere].map((one) => ({ folder: one, count: 1 }))
    assert.deepEqual(new Set(leftovers), new Set(left))
    for (const one of left)
      assert.ok(
        events.some((event) => event.includes(`1 result(s) in ${one.folder}`)),
        one.folder,
      )
    assert.equal(events.length, 4)
  })

  it('tells in its status of results that no agent delivers', () => {
    const text = statusText('a', { state: 'idle', leftovers: [{ folder: '/w/b', count: 3 }] }, 0)
    assert.match(text, /undelivered +3 results in \/w\/b: no agent delivers them/)
  })

  it('keeps a name that its owner has chosen, says at once that it is taken, and is not ready', async (t) => {
    const { url, second, use, workDir } = await scene(t)
    await use('gpu-7')
    const key = path.join(workDir, 'key')
    await writeFile(key, second, { mode: 0o600 })
    const engine = ['--engine', 'command', '--engine-command', 'node -e 0 {wav} {out}']
    const more = ['--health-addr', '127.0.0.1:0', '--log-format', 'json', '--gpus', 'none']
    const names = ['--worker-id', 'gpu-7', '--work-dir', workDir, '--api-key-file', key]
    const agent = run('agent', ['start', '--url', url, ...names, ...engine, ...more])
    t.after(() => agent.signal('SIGKILL'))
    const line = await agent.line((one) => one.includes('health_url'))
    const { health_url: health } = JSON.parse(line) as { health_url: string }
    await agent.line((one) => one.includes('Another token uses the worker id gpu-7'))
    const ready = await fetch(`${health}/readyz`)
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /Another token uses the worker id gpu-7/)
    const [status] = await askAgents(workDir, 'status', 'gpu-7')
    assert.match(
      JSON.stringify(status),
      /"is_away":true,"reason":"Another token uses the worker id gpu-7/,
    )
  })
})
