import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { claimedJob, startRunning, type Running } from './running.ts'

const text = 'It was late, and it rained so hard that nobody could see the road before them.'
const segments = [{ start: 0, end: 6, text }]

async function completed(running: Running, options: Record<string, unknown> = {}): Promise<string> {
  const { job_id, lease_token } = await claimedJob(running, { task_options: options })
  const json = { success: true, content: '# A', metadata: { segments }, lease_token }
  assert.equal((await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })).status, 200)
  return job_id
}

describe('the subtitles of a job', () => {
  test('are as the request asks, else as the job, else within 42 characters and two lines', async (t) => {
    const running = await startRunning(t)
    const plain = await completed(running)
    const asked = await completed(running, { subtitles: 'plain', max_lines: 'many' })
    const linesOf = async (jobId: string, query: string): Promise<string[]> => {
      const { status, text } = await running.ask('GET', `/remote-jobs/${jobId}/result.srt${query}`)
      assert.equal(status, 200, text)
      return text.split('\n').filter((line) => /^[a-z]/i.test(line))
    }
    const two = [
      'It was late, and it rained so hard that',
      'nobody could see the road before them.',
    ]
    assert.deepEqual(await linesOf(plain, ''), two)
    assert.deepEqual(await linesOf(plain, '?max_line_chars=80&max_lines=1'), [text])
    assert.deepEqual(await linesOf(asked, ''), [text])
    assert.deepEqual(await linesOf(asked, '?subtitles=cues'), two)
    for (const query of ['subtitles=none', 'max_line_chars=9', 'max_lines=1.5']) {
      const { status, body } = await running.ask('GET', `/remote-jobs/${plain}/result.vtt?${query}`)
      assert.equal(status, 422)
      const [{ loc }] = body['detail'] as [{ loc: string[] }]
      assert.deepEqual(loc, ['query', query.split('=')[0]])
    }
  })
})
