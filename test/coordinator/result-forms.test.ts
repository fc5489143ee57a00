import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { claimedJob, startRunning } from './running.ts'

// What a worker for documents hands in; above 64 KiB another thread renders it.
const TEXTS = {
  small: '# Report\n\nAll is well.\n',
  large: `# Report\n\n${'Well. '.repeat(20_000)}`,
}

describe('a result without segments', () => {
  for (const [size, content] of Object.entries(TEXTS)) {
    test(`has its text as txt and json, and says why it has no subtitles (${size})`, async (t) => {
      const running = await startRunning(t)
      const { job_id, lease_token } = await claimedJob(running)
      const metadata = { pages: 3, segments: null }
      const json = { success: true, content, metadata, lease_token }
      await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })
      const read = async (form: string) =>
        await running.ask('GET', `/remote-jobs/${job_id}/result.${form}`)

      assert.equal((await read('txt')).text, content)
      assert.deepEqual((await read('json')).body, { text: content, ...metadata })
      assert.equal((await read('md')).text, content)
      for (const form of ['srt', 'vtt', 'chunks.jsonl', 'html', 'tsv', 'lrc']) {
        const { status, body } = await read(form)
        assert.equal(status, 409)
        assert.equal(body['code'], 'conflict')
        assert.match(
          String(body['detail']),
          new RegExp(`^There is no ${form} of this result: it has no segments, .*md, txt or json`),
        )
      }
    })
  }
})
