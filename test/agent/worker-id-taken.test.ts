import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../agent/client/connection.ts'
import type { StartSettings } from '../../agent/config.ts'
import { openNamedWorkspace } from '../../agent/work/free-name.ts'
import { openWorkspace } from '../../agent/work/workspace.ts'
import { askAgents } from '../../agent/watch/control-client.ts'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { run } from '../../scripts/processes.ts'
import { startRunning } from '../coordinator/running.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const BEAT = { state: 'idle', version: '1', slots: 1, device: null } as const

/** A coordinator with the tokens of two machines; `use` lets the first go by a worker id. */
async function scene(t: TestContext) {
  const { url, dataDir } = await startRunning(t)
  const tokens = new Tokens(dataDir, Date.now)
  const create = async (name: string): Promise<string> =>
    (await tokens.create({ role: 'worker', name, types: null, lifeMs: null })).token
  const [first, second] = [await create('first'), await create('second')]
  const connection = new Connection({ url, apiKey: first })
  t.after(() => connection.close())
  const use = async (workerId: string): Promise<void> =>
    void (await new Client(connection).heartbeat(workerId, { ...BEAT, jobs: [] }))
  const workDir = tempFolder()
  const events: string[] = []
  const open = async (workerId: string | null): Promise<string> => {
    const coordinators = [{ url, apiKey: second }]
    const settings = { workDir, workerId, coordinators } as unknown as StartSettings
    const event = (_: unknown, text: string): void => void events.push(text)
    const workspace = await openNamedWorkspace(settings, { event })
    t.after(() => workspace.release())
    return workspace.workerId
  }
  return { url, second, use, open, workDir, events }
}

describe('an agent whose worker id another token goes by', () => {
  it('takes the next name where its own is the default one, and says so', async (t) => {
    const { use, open, workDir, events } = await scene(t)
    const workspace = await openWorkspace(workDir, null)
    await workspace.release()
    const name = workspace.workerId
    await use(name)
    await use(`${name}-2`)
    assert.equal(await open(null), `${name}-3`)
    assert.equal(events.length, 2)
    assert.match(events[0]!, /^Another token goes by the worker id .* Taking the next name\.$/)
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
    await agent.line((one) => one.includes('Another token goes by the worker id gpu-7'))
    const ready = await fetch(`${health}/readyz`)
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /Another token goes by the worker id gpu-7/)
    const [status] = await askAgents(workDir, 'status', 'gpu-7')
    assert.match(JSON.stringify(status), /"is_away":true,"reason":"Another token goes by/)
  })
})
