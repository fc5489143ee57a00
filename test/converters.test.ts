import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { run, startCoordinator } from '../scripts/processes.ts'
import { TestClient } from './conversion-set-up.ts'
import { tempFolder } from './shared/temp-folder.ts'

/** A program such as an operator might have: a web page's words, as Markdown. */
const PROGRAM = `
  import { readFileSync } from 'node:fs'
  console.error('page 1 of 1')
  console.log('# ' + readFileSync(process.argv[2], 'utf8').replace(/<[^>]+>/g, ''))`

describe('an agent with a converter', () => {
  test('does documents, says that it can, and has no engine', async (t) => {
    const folder = tempFolder()
    const program = path.join(folder, 'convert.mjs')
    const page = path.join(folder, 'notes.html')
    await Promise.all([writeFile(program, PROGRAM), writeFile(page, '<h1>Notes</h1>')])
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    const client = new TestClient(coordinator.url)
    const work = ['--work-dir', path.join(folder, 'work'), '--worker-id', 'documents']
    const types = ['--types', 'document', '--converter', `document=node ${program} {input}`]
    // Neither is there: an agent for documents needs none of it.
    const absent = [
      '--ffmpeg',
      '/nowhere/ffmpeg',
      '--models-dir',
      path.join(folder, 'models'),
      '--offline',
    ]
    const more = [
      ...work,
      ...types,
      ...absent,
      '--health-addr',
      '127.0.0.1:0',
      '--log-format',
      'json',
    ]
    const agent = run('agent', ['start', '--url', coordinator.url, ...more])
    t.after(async () => {
      agent.signal('SIGTERM')
      assert.equal((await agent.ended).exitCode, 0)
    })
    const jobId = await client.upload(page, 'document')
    const { status, worker_id: workerId, error_message: message } = await client.ended(jobId)
    assert.deepEqual([status, workerId], ['completed', 'documents'], message ?? '')
    const { content, metadata } = await client.result(jobId)
    assert.equal(content, '# Notes\n')
    assert.deepEqual([metadata.warnings, Object(metadata).processor], [[], 'node'])
    const answer = await fetch(`${coordinator.url}/api/v1/workers`)
    const { workers } = (await answer.json()) as { workers: Record<string, unknown>[] }
    const none = { models: [], languages: null, features: [] }
    assert.deepEqual(workers[0]?.['capabilities'], { engines: ['node'], ...none })
    assert.deepEqual(workers[0]?.['content_types'], ['document'])
    await agent.line((line) => line.includes('takes document from'))
    const line = await agent.line((one) => one.includes('health_url'))
    const { health_url: health } = JSON.parse(line) as { health_url: string }
    assert.match(await (await fetch(`${health}/metrics`)).text(), /morag_agent_attempts_total/)
    const asked = run('agent', ['status', '--work-dir', path.join(folder, 'work')])
    assert.equal((await asked.ended).exitCode, 0)
    assert.match(asked.lines.join('\n'), /converter +node for document\n.*slots +1 at a time/)
  })

  test('is not started for a content type that it has no converter for', async () => {
    const agent = run('agent', ['start', '--types', 'image'])
    assert.equal((await agent.ended).exitCode, 2)
    assert.match(agent.lines.join(' '), /--converter image='tesseract \{input\} stdout'/)
  })
})
