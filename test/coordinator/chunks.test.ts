import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { claimedJob, NO_INGESTION, startRunning, type Running } from './running.ts'

const segments = Array.from({ length: 60 }, (_, i) => ({
  start: i * 4,
  end: i * 4 + 4,
  text: `Sentence ${i} ${'goes on and on '.repeat(5)}here.`,
}))

async function completed(running: Running, options: Record<string, unknown> = {}): Promise<string> {
  const { job_id, lease_token } = await claimedJob(running, { task_options: options })
  const json = { success: true, content: '# A', metadata: { segments }, lease_token }
  assert.equal((await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })).status, 200)
  return job_id
}

async function idsOf(running: Running, jobId: string, query = ''): Promise<string[]> {
  const route = `/remote-jobs/${jobId}/result.chunks.jsonl${query}`
  const { status, text } = await running.ask('GET', route)
  assert.equal(status, 200, text)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id)
}

describe('the chunks of a job', () => {
  test('have the length that the request asks for, else the job, else about 512 tokens', async (t) => {
    const running = await startRunning(t)
    const plain = await completed(running)
    assert.deepEqual(await idsOf(running, plain), [`${plain}-0`, `${plain}-1`, `${plain}-2`])
    assert.equal((await idsOf(running, plain, '?chunk_tokens=200&chunk_overlap=0')).length, 8)
    // The original's overlap is in characters.
    const asked = await completed(running, { chunk_tokens: 200, chunk_overlap: 200 })
    assert.equal((await idsOf(running, asked)).length, 9)
    assert.equal((await idsOf(running, asked, '?chunk_tokens=2000')).length, 1)
  })

  test('are refused for lengths out of bounds, with the place', async (t) => {
    const running = await startRunning(t)
    const jobId = await completed(running)
    for (const [query, place] of [
      ['?chunk_tokens=99', 'chunk_tokens'],
      ['?chunk_overlap=0.3', 'chunk_overlap'],
      ['?chunk_overlap=', 'chunk_overlap'],
    ] as const) {
      const route = `/remote-jobs/${jobId}/result.chunks.jsonl${query}`
      const { status, body } = await running.ask('GET', route)
      assert.equal(status, 422)
      assert.deepEqual((body['detail'] as { loc: string[] }[])[0]?.loc, ['query', place])
    }
    const other = await running.ask('GET', `/remote-jobs/${jobId}/result.chunksXjsonl`)
    assert.equal(other.status, 404)
  })

  test('link to the address that the coordinator is told', async (t) => {
    const publicUrl = 'https://x.example'
    const running = await startRunning(t, { ingestion: { ...NO_INGESTION, publicUrl } })
    const jobId = await completed(running)
    const { text } = await running.ask('GET', `/remote-jobs/${jobId}/result.chunks.jsonl`)
    const [first] = text.split('\n')
    const { source } = JSON.parse(first!) as { source: { href: string; url: string } }
    assert.equal(source.href, `${publicUrl}/?job=${jobId}#t=0`)
    assert.equal(source.url, `${publicUrl}/api/v1/remote-jobs/${jobId}/source`)
  })
})
