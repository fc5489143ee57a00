import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execa } from 'execa'
import { programCode } from '../../scripts/processes.ts'
import { ingestedJob } from './ingested-job.ts'

test('jobs show has what the MoRAG server answered, as text and as JSON', async (t) => {
  const { running, jobId } = await ingestedJob(t)
  const show = async (...flags: string[]): Promise<string> => {
    const args = ['jobs', 'show', jobId, '--url', running.url, ...flags]
    return (await execa(process.execPath, [...programCode('coordinator'), ...args])).stdout
  }
  const [text, json] = await Promise.all([show(), show('--json')])
  const at = text.indexOf('\n\nMoRAG server\n')
  assert.ok(at > 0, text)
  assert.deepEqual(text.slice(at).trim().split('\n'), [
    'MoRAG server',
    'chunks     2',
    'text       6 characters',
    'databases  qdrant',
    'stage      chunker completed in 2s',
    'stage      ingestor completed in 2s',
    'warning    Two facts have no source.',
    'api        stages',
  ])
  const { continuation } = JSON.parse(json) as {
    continuation: { steps: { answer: Record<string, unknown> }[] }
  }
  const { chunks_processed, databases_used } = continuation.steps[0]!.answer
  assert.deepEqual([chunks_processed, databases_used], [2, ['qdrant']])
})
