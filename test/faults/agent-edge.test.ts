import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { askAgents } from '../../agent/status/control-client.ts'
import { engineFlags } from './held-programs.ts'
import type { Passing, Said } from './proxy.ts'
import { makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'

/** What stands before a coordinator answers by itself, while that is being replaced or behind a firewall. */
const EDGE: Said[] = [
  { status: 404, body: '404 page not found\n' },
  { status: 403, headers: { server: 'waf' }, body: '<title>Blocked</title>' },
]
const KINDS = ['claim', 'download', 'artifact', 'result'] as const
const HEALTH = ['--health-addr', '127.0.0.1:0', '--log-format', 'json']

describe('an agent behind an edge', { skip, timeout: PATIENCE_MS, concurrency: true }, () => {
  let scene: Scene
  let recording: string
  let flags: string[]
  before(async () => {
    scene = await Scene.open()
    recording = await makeRecording(scene.folder)
    flags = await engineFlags(scene.folder, 'e', { says: 'hello' })
  })
  after(() => scene.close())

  it('does its job though each request is answered once in the place of the coordinator', async () => {
    const lane = await scene.lane('answers')
    const said = new Set<Passing['kind']>()
    lane.proxy.fate = ({ kind }) => {
      if (!KINDS.some((one) => one === kind) || said.has(kind)) return 'pass'
      return { say: EDGE[said.add(kind).size % 2]! }
    }
    const agent = lane.agent(flags)
    const jobId = await lane.upload(recording, { formats: ['srt'] })
    const { status, attempts } = await lane.ended(jobId)
    assert.deepEqual([status, attempts.length], ['completed', 1])
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
    assert.deepEqual(await lane.files(), [])
  })

  it('says what stands in the way, is not ready, and goes on when it is gone', async () => {
    const lane = await scene.lane('says')
    let claims = 0
    let isGone = false
    lane.proxy.fate = ({ kind }) =>
      kind === 'claim' && !isGone ? { say: EDGE[(claims += 1) % 2]! } : 'pass'
    const agent = lane.agent([...flags, ...HEALTH])
    const health = JSON.parse(await agent.line((line) => line.includes('health_url'))) as {
      health_url: string
    }
    for (const what of ['404 Not Found', '403 Forbidden from waf']) {
      await agent.line((line) => line.includes(`something else answered ${what}`))
    }
    const ready = await fetch(`${health.health_url}/readyz`)
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /No coordinator answers\. .*something else answered \d+/)
    const [{ answer } = assert.fail()] = await askAgents(
      path.join(scene.folder, 'work'),
      'status',
      lane.name,
    )
    assert.match(JSON.stringify(answer), /"is_away":true,"reason":"Cannot reach.*something else/)
    isGone = true
    await agent.line((line) => line.includes('The coordinator is back'))
    assert.equal((await fetch(`${health.health_url}/readyz`)).status, 200)
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  })

  it('whose limit on bodies is below its result fails the job once, and says by how much', async () => {
    const lane = await scene.lane('limit')
    lane.proxy.fate = ({ kind, headers }) =>
      kind === 'result' && Number(headers['content-length']) > 10_000
        ? { say: { status: 413, headers: { server: 'nginx/1.22.1' }, body: '<html>no</html>' } }
        : 'pass'
    const says = 'lorem ipsum dolor sit amet '.repeat(1_000)
    const agent = lane.agent([
      ...(await engineFlags(scene.folder, 'long', { says })),
      '--exit-when-idle',
    ])
    const jobId = await lane.upload(recording)
    const { status, attempts, error_code, error_message } = await lane.ended(jobId)
    assert.deepEqual([status, attempts.length, error_code], ['failed', 1, 'result_too_large'])
    assert.match(String(error_message), /client_max_body_size/)
    await agent.line((line) => /was refused and is kept in .*client_max_body_size/.test(line))
    assert.equal((await agent.ended).exitCode, 1)
    assert.equal((await lane.files()).length, 1)
  })

  it('that keeps its one result from the coordinator does not end with 0', async () => {
    const lane = await scene.lane('once')
    lane.proxy.fate = ({ kind }) => (kind === 'result' ? { say: EDGE[0]! } : 'pass')
    await lane.upload(recording)
    const agent = lane.agent([...flags, '--once'])
    assert.equal((await agent.ended).exitCode, 1)
    const outbox = path.join(scene.folder, 'work', lane.name, 'outbox')
    const [coordinator = ''] = await readdir(outbox)
    assert.equal((await readdir(path.join(outbox, coordinator))).length, 2)
  })
})
