import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { claim, NO_INGESTION, startRunning } from '../coordinator/running.ts'
import { startReceiver } from './receiver.ts'

const EXAMPLE = fileURLToPath(new URL('../original/ingest.py', import.meta.url))
const { failed: missing } = await execa('python3', ['-c', 'import requests'], { reject: false })
const skip = missing ? 'python3 with requests is not here' : false

test(
  'the original’s client example gets its job done and its webhook called',
  { skip },
  async (t) => {
    const receiver = await startReceiver(t)
    const running = await startRunning(t, {
      ingestion: { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] },
    })
    writeFileSync(`${running.root}/audio.mp3`, Buffer.from('ID3\u0004'))
    const env = { FOLDER: running.root, MORAG_SERVER: running.url, WEBHOOK: receiver.url }
    const { stdout } = await execa('python3', [EXAMPLE], { env })
    const { job_id: jobId, task_id: taskId } = JSON.parse(stdout) as Record<string, string>
    const [job] = await claim(running)
    assert.equal(job?.job_id, jobId)
    assert.equal(job?.source.filename, 'audio.mp3')
    await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
      json: { success: true, content: 'The text.', lease_token: job?.lease_token },
    })
    const { body } = await receiver.delivery(0)
    assert.equal(body['task_id'], taskId)
    assert.equal(body['status'], 'SUCCESS')
  },
)
