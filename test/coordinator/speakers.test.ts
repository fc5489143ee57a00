import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, test } from 'node:test'
import { startReceiver } from '../ingestion/receiver.ts'
import { claim, createJob, NO_INGESTION, startRunning, until, type Running } from './running.ts'

const FORMS = ['md', 'txt', 'srt', 'vtt', 'chunks.jsonl']
const speakers = ['Speaker_00', 'Speaker_01']
/** Above 64 KiB another thread reads it. */
const LENGTHS = { small: 2, large: 700 }

async function completed(
  running: Running,
  count = 2,
  options: Record<string, unknown> = {},
): Promise<string> {
  const job_id = await createJob(running, { task_options: options })
  const [job] = await claim(running)
  const segments = Array.from({ length: count }, (_, i) => ({
    start: i,
    end: i + 1,
    text: `This is sentence ${i}.`,
    speaker: speakers[i % 2],
  }))
  const lines = segments.map(({ speaker, text }, i) => `[00:0${i % 10}][${speaker}] ${text}`)
  const content = `# Talk\n\n- **Num Speakers**: 2\n- **Speakers**: ${speakers.join(', ')}\n\n${lines.join('\n')}\n`
  const json = {
    success: true,
    content,
    metadata: { duration: count, segments, speakers, num_speakers: 2 },
    lease_token: job!.lease_token,
  }
  const { status, text } = await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })
  assert.equal(status, 200, text)
  return job_id
}

async function read(running: Running, jobId: string, form: string): Promise<string> {
  const { status, text } = await running.ask('GET', `/remote-jobs/${jobId}/result${form}`)
  assert.equal(status, 200, text)
  return text
}

describe('named speakers', () => {
  for (const [size, count] of Object.entries(LENGTHS)) {
    test(`are in every form, also after a restart, until they have none (${size})`, async (t) => {
      const running = await startRunning(t)
      const jobId = await completed(running, count)
      const before = await Promise.all(
        FORMS.map(async (form) => await read(running, jobId, `.${form}`)),
      )
      const route = `/remote-jobs/${jobId}/speakers`
      const named = await running.ask('PUT', route, { json: { Speaker_00: 'Anna Müller' } })
      assert.deepEqual(named.body, {
        job_id: jobId,
        speaker_names: { Speaker_00: 'Anna Müller', Speaker_01: null },
      })
      if (size === 'small') await running.stop()
      const again = size === 'small' ? await startRunning(t, { root: running.root }) : running
      for (const form of FORMS) {
        const text = await read(again, jobId, `.${form}`)
        assert.match(text, /Anna Müller/, form)
        assert.doesNotMatch(text, /Speaker_00/, form)
        assert.match(text, /Speaker_01/, form)
      }
      const whole = JSON.parse(await read(again, jobId, '')) as Record<string, unknown>
      const metadata = JSON.parse(await read(again, jobId, '.json')) as {
        segments: object[]
        [key: string]: unknown
      }
      assert.deepEqual(whole['metadata'], metadata)
      assert.equal(whole['content'], await read(again, jobId, '.md'))
      assert.deepEqual(metadata.segments[0], {
        start: 0,
        end: 1,
        text: 'This is sentence 0.',
        speaker: 'Anna Müller',
        speaker_label: 'Speaker_00',
      })
      assert.deepEqual(metadata['speakers'], ['Anna Müller', 'Speaker_01'])
      assert.deepEqual(metadata['speaker_names'], { Speaker_00: 'Anna Müller' })

      const both = await again.ask('PUT', route, { json: { Speaker_01: 'Ben', Speaker_00: null } })
      assert.deepEqual(both.body['speaker_names'], { Speaker_00: null, Speaker_01: 'Ben' })
      await again.ask('PUT', route, { json: { Speaker_01: ' ' } })
      const after = await Promise.all(
        FORMS.map(async (form) => await read(again, jobId, `.${form}`)),
      )
      assert.deepEqual(after, before)
    })
  }

  test('are refused where there are none, with a sentence', async (t) => {
    const running = await startRunning(t)
    const jobId = await completed(running)
    const waiting = await createJob(running)
    const put = async (job: string, json: unknown): Promise<[number, unknown]> => {
      const { status, body } = await running.ask('PUT', `/remote-jobs/${job}/speakers`, { json })
      const { detail } = body
      return [status, Array.isArray(detail) ? (detail[0] as { msg: string }).msg : detail]
    }
    assert.deepEqual(await put(jobId, { Speaker_07: 'Anna' }), [
      422,
      "The transcript has no speaker 'Speaker_07'. Its speakers: Speaker_00, Speaker_01.",
    ])
    assert.equal((await put(jobId, { Speaker_00: 7 }))[0], 422)
    assert.equal((await put(jobId, ['Anna']))[0], 422)
    assert.equal((await put(jobId, { Speaker_00: 'x'.repeat(201) }))[0], 422)
    assert.deepEqual(await put(waiting, { Speaker_00: 'Anna' }), [
      409,
      `Job ${waiting} has no result: it is pending.`,
    ])
    assert.equal((await put('nobody', {}))[0], 404)
    assert.match(await read(running, jobId, '.txt'), /^Speaker_00: /)
  })

  test('are given by the job’s owner and by admins alone', async (t) => {
    const running = await startRunning(t)
    const tokens = running.tokens
    const tokenFor = async (role: 'admin' | 'submit' | 'read', name: string): Promise<string> =>
      (await tokens.create({ role, name, types: null, lifeMs: null })).token
    const jobId = await completed(running)
    const statusFor = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}` }
      const asked = { json: { Speaker_00: 'Anna' }, headers }
      return (await running.ask('PUT', `/remote-jobs/${jobId}/speakers`, asked)).status
    }
    assert.equal(await statusFor(await tokenFor('admin', 'admin')), 200)
    assert.equal(await statusFor(await tokenFor('submit', 'other')), 404)
    assert.equal(await statusFor(await tokenFor('read', 'reader')), 403)
  })

  test('are in webhooks and files that are sent afterwards', async (t) => {
    const receiver = await startReceiver(t)
    const running = await startRunning(t, {
      over: (root) => ({
        ingestion: {
          ...NO_INGESTION,
          webhookAllow: ['127.0.0.1'],
          outputDir: path.join(root, 'out'),
        },
      }),
    })
    const jobId = await completed(running, 2, { webhook_url: receiver.url })
    await receiver.delivery(0)
    await running.ask('PUT', `/remote-jobs/${jobId}/speakers`, { json: { Speaker_01: 'Ben' } })
    assert.equal(receiver.deliveries.length, 1, 'naming sends nothing')
    const steps = ['webhook', 'folder']
    const route = `/remote-jobs/${jobId}/continuation/retry`
    const { status, text } = await running.ask('POST', route, { json: { steps } })
    assert.equal(status, 200, text)
    const { body } = await receiver.delivery(1)
    const result = body['result'] as { content: string; metadata: Record<string, unknown> }
    assert.match(result.content, /\[00:01\]\[Ben\] This is/)
    assert.deepEqual(result.metadata['speakers'], ['Speaker_00', 'Ben'])
    await until(async () => {
      const { body: job } = await running.ask('GET', `/remote-jobs/${jobId}`)
      const { steps: all } = job['continuation'] as { steps: { state: string }[] }
      return all.every(({ state }) => state === 'done')
    })
    const out = async (name: string): Promise<string> =>
      await readFile(path.join(running.root, 'out', name), 'utf8')
    assert.match(await out('talk.md'), /\[00:01\]\[Ben\] This is/)
    assert.match(await out('talk.json'), /"speaker": "Ben",\s*"speaker_label": "Speaker_01"/)
  })
})
