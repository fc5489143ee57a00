import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { claimedJob, createJob, startRunning, type Answer, type Running } from './running.ts'

const SEGMENT = { start: 0, end: 1, text: 'x' }
const WORD = { start: 0, end: 1, text: 'x' }

async function put(running: Running, job: object, metadata: object): Promise<Answer> {
  const { job_id, ...lease } = job as { job_id: string }
  return await running.ask('PUT', `/remote-jobs/${job_id}/result`, {
    json: { success: true, content: 'x', metadata, ...lease },
  })
}

async function leased(running: Running): Promise<{ job_id: string; lease_token: string }> {
  const { job_id, lease_token } = await claimedJob(running)
  return { job_id, lease_token }
}

describe('a result with a lease token', () => {
  for (const [name, metadata, place, complaint] of [
    [
      'a segment without a text',
      { segments: [SEGMENT, { start: 1, end: 2 }] },
      'segments.1.text',
      'Field required',
    ],
    [
      'a time that is a text',
      { segments: [{ ...SEGMENT, start: 'soon' }] },
      'segments.0.start',
      'Invalid input: expected number, received string',
    ],
    [
      'an end before its start',
      { segments: [{ ...SEGMENT, start: 5 }] },
      'segments.0.end',
      'The end is before the start.',
    ],
    [
      'a word without a text',
      { segments: [SEGMENT, { ...SEGMENT, words: [WORD, { ...WORD, text: null }] }] },
      'segments.1.words.1.text',
      'Invalid input: expected string, received null',
    ],
    [
      'segments that are no list',
      { segments: 'odd' },
      'segments',
      'Invalid input: expected array, received string',
    ],
    [
      'a segment that is no object',
      { segments: [SEGMENT, 0] },
      'segments.1',
      'Invalid input: expected object, received number',
    ],
    [
      'a speaker without a name',
      { segments: [SEGMENT], speakers: ['A', 5] },
      'speakers.1',
      'Invalid input: expected string, received number',
    ],
    [
      'a chapter without a title',
      { segments: [SEGMENT], chapters: [{ start: 0, end: 1 }] },
      'chapters.0.title',
      'Field required',
    ],
  ] as const) {
    test(`is refused for ${name}, with the place`, async (t) => {
      const running = await startRunning(t)
      const job = await leased(running)
      const { status, body } = await put(running, job, metadata)
      assert.equal(status, 422)
      assert.equal(body['code'], 'invalid')
      const [problem, ...others] = body['detail'] as { loc: string[]; msg: string }[]
      assert.equal(problem?.loc.join('.'), `body.metadata.${place}`)
      assert.equal(problem?.msg, complaint)
      assert.deepEqual(others, [])
      const { status: mended } = await put(running, job, { segments: [SEGMENT] })
      assert.equal(mended, 200, 'the job is still the worker’s')
    })
  }

  test('is read in another thread where it is large, and refused at the first place', async (t) => {
    const running = await startRunning(t)
    const segments = Array.from({ length: 5_000 }, (_, i) => ({ start: i, end: i, text: i }))
    const { status, body } = await put(running, await leased(running), { segments })
    assert.equal(status, 422)
    assert.deepEqual(
      (body['detail'] as { loc: unknown[] }[]).map(({ loc }) => loc),
      [['body', 'metadata', 'segments', 0, 'text']],
    )
  })

  test('is stored as it was sent, with keys that only the worker knows', async (t) => {
    const running = await startRunning(t)
    const job = await leased(running)
    const metadata = {
      segments: [{ ...SEGMENT, speaker: null, temperature: 0.2, words: [{ ...WORD, id: 1 }] }],
      speakers: ['A'],
      chapters: [{ start: 0, end: 0, title: '', url: 'x' }],
      languages: null,
      pages: { odd: true },
    }
    assert.equal((await put(running, job, metadata)).status, 200)
    const { body } = await running.ask('GET', `/remote-jobs/${job.job_id}/result`)
    assert.deepEqual(body['metadata'], metadata)
  })

  test('may have any metadata where it has no segments, as a document', async (t) => {
    const running = await startRunning(t)
    const metadata = { segments: null, chapters: ['Intro'], speakers: 7 }
    assert.equal((await put(running, await leased(running), metadata)).status, 200)
  })
})

test('a worker of the original writes segments as it likes, and they are read as well as they can be', async (t) => {
  const running = await startRunning(t)
  await createJob(running)
  const query = 'worker_id=old&content_types=audio'
  const { body: job } = await running.ask('GET', `/remote-jobs/poll?${query}`)
  const job_id = String(job['job_id'])
  const segments = [{ start_time: 0, text: 'Hello.', speaker: 7 }, { text: 'Bye.' }, 'odd']
  const { status } = await put(running, { job_id }, { segments, speakers: 2 })
  assert.equal(status, 200)
  const { text } = await running.ask('GET', `/remote-jobs/${job_id}/result.txt`)
  assert.equal(text, 'Hello.\nBye.\n')
})
