import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { renderPage, SERVED_PAGE_POLICY } from '../../shared/transcript-page.ts'
import { claimedJob, startRunning, type Running } from './running.ts'

const text = 'It was late, and it rained so hard that nobody could see the road before them.'
const segments = [{ start: 0, end: 6, text }]

async function completed(
  running: Running,
  options: Record<string, unknown> = {},
  said = segments,
): Promise<string> {
  const { job_id, lease_token } = await claimedJob(running, { task_options: options })
  const json = { success: true, content: '# A', metadata: { segments: said }, lease_token }
  assert.equal((await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })).status, 200)
  return job_id
}

test('the page of a transcript is sent into a sandbox, small or large', async (t) => {
  const running = await startRunning(t)
  for (const count of [1, 2_000]) {
    const many = Array.from({ length: count }, () => segments[0]!)
    const jobId = await completed(running, {}, many)
    const { status, headers, text } = await running.ask('GET', `/remote-jobs/${jobId}/result.html`)
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8')
    assert.equal(headers.get('content-security-policy'), SERVED_PAGE_POLICY)
    assert.equal(text, renderPage(many, {}))
  }
})

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
