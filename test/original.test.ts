import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { tempFolder } from './shared/temp-folder.ts'

const script = (name: string): string =>
  fileURLToPath(new URL(`original/${name}.py`, import.meta.url))

const python = await execa('python3', ['--version'], { reject: false })
const skip = python.failed ? 'python3 is not installed' : false

describe('programs of the original system, in Python and unchanged', { skip }, () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator

  before(async () => {
    coordinator = await startCoordinator(path.join(folder, 'data'), folder)
  })

  test('a client’s file goes through a worker, and its transcript comes back', async () => {
    const file = path.join(folder, 'talk.mp3')
    await writeFile(file, 'speech')
    const [client, worker] = await Promise.all([
      execa('python3', [script('client'), coordinator.url, file, 'audio']),
      execa('python3', [script('worker'), coordinator.url, '1']),
    ])
    const status = JSON.parse(client.stdout) as Record<string, unknown>
    const originalKeys = [
      'job_id',
      'status',
      'worker_id',
      'created_at',
      'started_at',
      'completed_at',
      'error_message',
      'retry_count',
      'estimated_completion',
    ]
    assert.deepEqual(Object.keys(status).slice(0, originalKeys.length), originalKeys)
    assert.equal(status['status'], 'completed')
    assert.equal(status['worker_id'], 'audio-worker-1')
    const done = JSON.parse(worker.stdout) as Record<string, unknown>
    assert.deepEqual(done, {
      job_id: status['job_id'],
      status: 'completed',
      ingestion_continued: true,
    })

    const url = `${coordinator.url}/api/v1/remote-jobs/${String(status['job_id'])}/result.md`
    const digest = createHash('sha256').update('speech').digest('hex')
    assert.equal(await (await fetch(url)).text(), `Processed transcript of ${digest}`)
  })

  test('a worker’s failure sends the job back to the queue', async () => {
    const file = path.join(folder, 'broken.mp3')
    await writeFile(file, 'broken')
    const client = execa('python3', [script('client'), coordinator.url, file, 'audio'], {
      reject: false,
    })
    const { stdout } = await execa('python3', [script('worker'), coordinator.url, '1'])
    const answer = JSON.parse(stdout) as { job_id: string; status: string }
    assert.equal(answer.status, 'pending')
    const api = `${coordinator.url}/api/v1/remote-jobs/${answer.job_id}`
    const status = (await (await fetch(`${api}/status`)).json()) as Record<string, unknown>
    assert.equal(status['retry_count'], 1)
    assert.equal(status['error_message'], 'cannot read this file')
    await fetch(`${api}/cancel`, { method: 'POST' })
    const last = JSON.parse((await client).stdout) as Record<string, unknown>
    assert.equal(last['status'], 'cancelled')
    coordinator.signal('SIGTERM')
    assert.equal((await coordinator.ended).exitCode, 0)
  })
})
