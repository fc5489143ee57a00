import assert from 'node:assert/strict'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { Control } from '../../agent/status/control.ts'
import { askAgents } from '../../agent/status/control-client.ts'
import { hostAndPort } from '../../agent/settings/setting-values.ts'
import { statusText } from '../../agent/status/status-text.ts'
import { JobTracker } from '../../agent/status/job-tracker.ts'
import { SILENT } from '../../agent/progress/reporter-kinds.ts'
import { openWorkspace } from '../../agent/work/workspace.ts'
import { programCode, run, startCoordinator } from '../../scripts/processes.ts'
import { lockFolder, visitLock } from '../../shared/lock.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

/** Another command of the program, as its user runs it. */
async function command(...args: string[]) {
  return await execa(process.execPath, [...programCode('agent'), ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      MORAG_TEMP_DIR: path.join(folder, 'work'),
    },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
}

async function startAgent(t: TestContext, url: string) {
  const engine = ['--engine', 'command', '--engine-command', 'node -e 0 {wav} {out}']
  const places = ['--work-dir', path.join(folder, 'work'), '--worker-id', 'gpu-7']
  const health = ['--health-addr', '127.0.0.1:0', '--log-format', 'json']
  const agent = run('agent', ['start', '--url', url, ...engine, ...places, ...health])
  t.after(() => agent.signal('SIGKILL'))
  const line = await agent.line((one) => one.includes('health_url'))
  const { health_url: healthUrl } = JSON.parse(line) as { health_url: string }
  return { agent, ask: async (route: string) => await fetch(`${healthUrl}${route}`) }
}

describe('a running agent', () => {
  it('says what it does, whether it takes work, and drains when it is asked', async (t) => {
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    t.after(() => coordinator.signal('SIGKILL'))
    const { agent, ask } = await startAgent(t, coordinator.url)
    assert.equal((await ask('/livez')).status, 200)
    assert.equal(await (await ask('/readyz')).text(), 'ready\n')
    assert.equal((await ask('/nowhere')).status, 404)
    const metrics = await (await ask('/metrics')).text()
    assert.match(metrics, /^# TYPE morag_agent_attempts_total counter$/m)
    assert.match(metrics, /^morag_agent_attempts_total\{outcome="done"\} 0$/m)
    assert.ok(metrics.includes(`morag_agent_coordinator_up{coordinator="${coordinator.url}"} 1`))

    const { stdout, exitCode } = await command('status', '--json')
    const [status] = JSON.parse(stdout) as Record<string, unknown>[]
    assert.equal(exitCode, 0)
    assert.equal(status?.['worker_id'], 'gpu-7')
    assert.equal(status['state'], 'idle')
    assert.equal(status['pid'], agent.pid)
    assert.deepEqual(status['coordinators'], [
      { url: coordinator.url, is_away: false, reason: null, waiting_results: 0 },
    ])

    const drained = await command('drain', 'gpu-7')
    assert.match(drained.stdout, /^gpu-7: draining, up for /)
    assert.deepEqual(await agent.ended, { exitCode: 0, signal: undefined })
    assert.equal((await command('status')).exitCode, 1)
    const nobody = await command('drain', 'gpu-7')
    assert.equal(nobody.exitCode, 1)
    assert.equal(nobody.stderr, 'No agent gpu-7 is running on this machine.')
  })

  it('is not ready while its coordinator does not answer', async (t) => {
    const { agent, ask } = await startAgent(t, 'http://127.0.0.1:1')
    await agent.line((line) => line.includes('Trying again until it is back'))
    const ready = await ask('/readyz')
    assert.equal(ready.status, 503)
    assert.match(await ready.text(), /^No coordinator answers\. .*the connection was refused\./)
    assert.equal((await ask('/livez')).status, 200)
  })
})

describe('the control socket of an agent', () => {
  it('says that the agent starts until it has started, and answers no other word', async () => {
    const work = path.join(folder, 'starting')
    const workspace = await openWorkspace(work, 'w')
    assert.deepEqual(await askAgents(work, 'status', null), [
      { workerId: 'w', answer: { state: 'starting' } },
    ])
    const socket = await visitLock(path.join(work, 'w'))
    socket!.write('dance\n')
    assert.equal(await text(socket!), '{"error":"Unknown command dance."}\n')
    await workspace.release()
    assert.deepEqual(await askAgents(work, 'status', null), [])
    assert.deepEqual(await askAgents(work, 'status', 'nobody'), [])
  })

  it('is none the worse for somebody who goes away before the answer', async (t) => {
    const control = new Control()
    const large = 'x'.repeat(1_000_000)
    control.handOver({ status: () => ({ large }), drain: () => ({}) })
    const dir = tempFolder()
    const lock = await lockFolder(dir, control.serve)
    t.after(async () => await lock!.release())
    const gone = await visitLock(dir)
    gone!.write('status\n', () => gone!.destroy())
    await once(gone!, 'close')
    const socket = await visitLock(dir)
    socket!.write('status\n')
    assert.ok((await text(socket!)).includes(large))
  })

  it('lets an agent leave though somebody is connected and says nothing', async () => {
    const work = path.join(folder, 'silent')
    const workspace = await openWorkspace(work, 'w')
    const socket = await visitLock(path.join(work, 'w'))
    const closed = once(socket!, 'close')
    socket!.resume()
    await Promise.all([workspace.release(), closed])
  })
})

describe('the status of an agent', () => {
  it('is printed on lines that no name of a file can break', () => {
    const watched = new JobTracker(SILENT, () => 1_000)
    const activity = watched.begin('j1', 'a\n\u001b[2Jb.mp3')
    activity.update({ stage: 'transcribing', ratio: 0.425 })
    watched.begin('j2', 'x').failed('broken')
    const shown = statusText(
      'w',
      { state: 'running', jobs: watched.jobs, ends: watched.ends },
      61_000,
    )
    assert.equal(
      shown,
      'w: running\n' +
        '  job          a [2Jb.mp3: transcribing 42 %, for 1m (j1)\n' +
        '  so far       0 done, 1 failed, 0 stopped\n',
    )
  })

  it('says why no job is taken', () => {
    const shown = statusText('w', { state: 'idle', problem: 'The disk is full.' }, 0)
    assert.equal(shown, 'w: idle\n  no new jobs  The disk is full.\n')
  })

  it('counts how attempts ended, and the seconds of what is done', () => {
    const watched = new JobTracker(SILENT)
    const activity = watched.begin('j1', 'a')
    activity.update({ stage: 'transcribing', ratio: 0.5, mediaSeconds: 90 })
    activity.update({ stage: 'uploading', ratio: 0.98 })
    activity.done('')
    watched.begin('j2', 'b').stopped('cancelled')
    assert.deepEqual([watched.ends, watched.mediaSeconds], [{ done: 1, failed: 0, stopped: 1 }, 90])
    assert.deepEqual(watched.jobs, [])
  })
})

describe('the address to answer on', () => {
  it('is a host and a port', () => {
    assert.deepEqual(hostAndPort('0.0.0.0:9464'), { host: '0.0.0.0', port: 9464 })
    assert.deepEqual(hostAndPort(':9464'), { host: '127.0.0.1', port: 9464 })
    assert.deepEqual(hostAndPort('[::1]:80'), { host: '::1', port: 80 })
    for (const bad of ['9464', 'a:b', 'a:65536', '::1:80', '']) {
      assert.throws(() => hostAndPort(bad), { code: 'usage' }, bad)
    }
  })
})
