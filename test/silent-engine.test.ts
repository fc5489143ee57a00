import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator } from '../scripts/processes.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { CLIPS } from './agent/fixtures.ts'
import { tempFolder } from './shared/temp-folder.ts'

/** An engine that says nothing for so many seconds, and then what was heard. */
function silentEngine(folder: string, seconds: number): string {
  const file = path.join(folder, 'engine.cjs')
  const heard = JSON.stringify('1\n00:00:00,500 --> 00:00:10,000\nAnd so my fellow Americans\n')
  const script = `#!${process.execPath}
setTimeout(() => require('node:fs').writeFileSync(process.argv[3], ${heard}), ${seconds * 1_000})
`
  writeFileSync(file, script)
  chmodSync(file, 0o755)
  return `${file} {wav} {out}`
}

test('an engine that is silent for longer than a stall, and watched by its agent, is done at the first attempt', async (t) => {
  const folder = tempFolder()
  const talk = path.join(folder, 'talk.wav')
  copyFileSync(CLIPS.jfk.file, talk)
  const args = ['--lease', '3s', '--stall', '3s', '--log-level', 'debug']
  const coordinator = await startCoordinator(path.join(folder, 'data'), folder, { args })
  t.after(() => coordinator.signal('SIGKILL'))
  const client = new TestClient(coordinator.url)
  const jobId = await client.upload(talk, 'audio')
  const engine = ['--engine', 'command', '--engine-command', silentEngine(folder, 8)]
  const form = ['--engine-output', 'srt']
  const agent = startAgent(coordinator.url, folder, 'w1', ...engine, ...form, '--once')
  t.after(() => agent.signal('SIGKILL'))
  await agent.ended
  const { status, attempts } = await client.detail(jobId)
  assert.equal(status, 'completed', agent.lines.join('\n'))
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['completed'],
  )
})
