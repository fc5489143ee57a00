import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator } from '../scripts/processes.ts'
import { CLIPS } from './agent/fixtures.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { engineFlags, goOn, stopped } from './faults/held-programs.ts'
import { tempFolder } from './shared/temp-folder.ts'

const skip = process.platform === 'win32' ? 'sends signals' : false

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

test(
  'the files of a result wait with it for a coordinator that is away, also through the agent’s end',
  { skip },
  async () => {
    const folder = tempFolder()
    const data = path.join(folder, 'data')
    const work = path.join(folder, 'work')
    const coordinator = await startCoordinator(data, folder)
    const client = new TestClient(coordinator.url)
    const flags = await engineFlags(folder, 'held', { held: true, says: CLIPS.jfk.text })
    const agent = startAgent(coordinator.url, folder, 'patient', ...flags)
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('task_options', JSON.stringify({ formats: ['srt', 'vtt'] }))
    form.set('file', new Blob([await readFile(CLIPS.jfk.file)]), 'jfk.wav')
    const jobs = `${coordinator.url}/api/v1/remote-jobs`
    const created = await fetch(`${jobs}/`, { method: 'POST', body: form })
    const { job_id: jobId } = (await created.json()) as { job_id: string }
    const engine = await stopped(agent.pid)
    coordinator.signal('SIGKILL')
    await coordinator.ended
    agent.signal('SIGTERM')
    goOn(engine)
    assert.equal((await agent.ended).exitCode, 0)
    const waiting = [`${jobId}.1.json`, 'transcript.srt', 'transcript.vtt']
    const found = await filesBelow(work)
    assert.deepEqual(
      waiting.filter((name) => !found.includes(name)),
      [],
    )
    const { port } = new URL(coordinator.url)
    const again = await startCoordinator(data, folder, { args: ['--port', port] })
    const later = startAgent(again.url, folder, 'patient', ...flags, '--exit-when-idle')
    await client.ended(jobId)
    const listed = await fetch(`${jobs}/${jobId}/artifacts`)
    const { artifacts } = (await listed.json()) as { artifacts: { name: string }[] }
    assert.deepEqual(
      artifacts.map(({ name }) => name),
      ['transcript.srt', 'transcript.vtt'],
    )
    const srt = await (await fetch(`${jobs}/${jobId}/artifacts/transcript.srt`)).text()
    assert.match(srt, /^1\n00:00:0/)
    assert.equal((await later.ended).exitCode, 0)
    const left = await filesBelow(work)
    assert.deepEqual(
      waiting.filter((name) => left.includes(name)),
      [],
    )
    again.signal('SIGKILL')
  },
)
