import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { partialFactsOf, partialResult } from '../../coordinator/blobs/partial-result.ts'
import { NewText } from '../../coordinator/events/new-text.ts'
import { assembled } from './assembled.ts'
import { checkpoint } from './example-checkpoint.ts'
import { newJobId, pendingJob } from './example-jobs.ts'
import { listenTo } from './event-stream.ts'
import { claimedJob, startRunning, type Claimed, type Running } from './running.ts'

const FACTS = { filename: 'talk.wav', contentType: 'audio', speakerNames: null }

const beat = async (
  running: Running,
  { job_id, lease_token }: Claimed,
  texts: readonly string[],
): Promise<void> => {
  const one = { job_id, lease_token, stage: 'transcribing', progress: 0.5 }
  const jobs = [{ ...one, checkpoint: checkpoint(texts) }]
  const json = { state: 'running', version: '1', slots: 1, jobs }
  assert.equal((await running.ask('POST', '/workers/w1/heartbeat', { json })).status, 200)
}

describe('a partial result', () => {
  test('has the text up to the first part that is not recognised, as sentences', () => {
    const { content, metadata } = partialResult(
      checkpoint(['Good morning. How are', 'you? I am']),
      FACTS,
    )
    const texts = metadata.segments.map(({ text }) => text)
    assert.deepEqual(texts, ['Good morning.', 'How are you?', 'I am'])
    assert.match(content, /^# Audio Transcription: talk.wav\n[^]*\[00:00\] Good morning.\n/)
    const { segments: _, ...rest } = metadata
    assert.deepEqual(rest, {
      partial: true,
      recognised_until: 10,
      duration: 60,
      language: 'en',
      file_name: 'talk.wav',
      speakers: [],
    })
  })

  test('says up to where nothing is missing, of all channels, and names them as the job does', () => {
    const voices = [
      {
        channel: 0,
        speech: [
          { start: 0, end: 5 },
          { start: 12, end: 40 },
        ],
        doneUntil: 5,
      },
      { channel: 1, speech: [{ start: 5, end: 10 }], doneUntil: 10 },
    ]
    const given = checkpoint(['Hello.', 'Hi.'], voices)
    const speakersFor = (taskOptions: Record<string, unknown>): unknown => {
      const facts = partialFactsOf(pendingJob({ jobId: newJobId(), taskOptions }))
      return partialResult(given, facts).metadata.speakers
    }
    assert.equal(partialResult(given, FACTS).metadata.recognised_until, 12)
    assert.deepEqual(speakersFor({}), [])
    assert.deepEqual(speakersFor({ diarize: true }), ['channel 0', 'channel 1'])
    assert.deepEqual(speakersFor({ speaker_names: ['agent', 'customer'] }), ['agent', 'customer'])
  })

  test('is none of another’s checkpoint, or of one without text', () => {
    for (const given of [{}, { segments: [] }, { version: 7, parts: [] }, checkpoint([])])
      assert.deepEqual(partialResult(given, FACTS).metadata.segments, [])
  })

  test('comes in every form, marked, until the whole one is there', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const read = async (form = '') => {
      const route = `/remote-jobs/${job.job_id}/result${form}`
      return await running.ask('GET', `${route}?partial=true`)
    }
    const early = await read('.srt')
    assert.deepEqual([early.status, early.text], [202, ''])
    assert.equal(early.headers.get('retry-after'), '10')
    const { status: none, body: nothing } = await read('.json')
    assert.deepEqual([none, nothing['partial'], nothing['segments']], [202, true, []])
    const hint = ['Nothing of it is recognised yet: ask again in a few seconds.']
    assert.deepEqual(nothing['warnings'], hint)
    assert.equal((await running.ask('GET', `/remote-jobs/${job.job_id}/result`)).status, 409)

    await beat(running, job, ['Good morning.'])
    for (const form of ['md', 'txt', 'json', 'srt', 'vtt', 'chunks.jsonl']) {
      const { status, text, headers } = await read(`.${form}`)
      assert.equal(status, 200, text)
      assert.match(text, /Good morning\./)
      assert.equal(headers.get('morag-partial'), 'true')
    }
    const { body } = await read()
    assert.equal(body['partial'], true)
    assert.equal((body['metadata'] as { partial: unknown }).partial, true)
    assert.match(String(body['content']), /Good morning\./)

    const metadata = { segments: [{ start: 0, end: 5, text: 'All of it.' }] }
    const json = { success: true, content: 'x', metadata, lease_token: job.lease_token }
    await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, { json })
    const whole = await read('.txt')
    assert.equal(whole.text, 'All of it.\n')
    assert.equal(whole.headers.get('morag-partial'), null)
  })

  test('never costs the checkpoint, whatever is wrong with it', async (t) => {
    const all = await assembled(t)
    const { checkpoints } = all.files
    const job = pendingJob({ jobId: newJobId() })
    const file = checkpoints.path(job.jobId)
    writeFileSync(file, '{"segments": [')
    assert.equal(await checkpoints.partialText(job), null)
    await assert.rejects(checkpoints.partialForm(job, 'txt'), SyntaxError)
    assert.equal(all.warnings.length, 1)
    assert.ok(existsSync(file))
  })

  test('that is large is made in a thread', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await beat(
      running,
      job,
      Array.from({ length: 2_000 }, (_, i) => `This is sentence ${i}.`),
    )
    const { text } = await running.ask('GET', `/remote-jobs/${job.job_id}/result.txt?partial=true`)
    assert.match(text, /This is sentence 1999\.\n$/)
  })

  test('is not for those who may not read the job, nor are its events', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const tokens = running.tokens
    const { token: admin } = await tokens.create({
      role: 'admin',
      name: 'a',
      types: null,
      lifeMs: null,
    })
    const { token } = await tokens.create({ role: 'submit', name: 'b', types: null, lifeMs: null })
    const url = `${running.url}/api/v1/events`
    const own = await listenTo(t, url, { authorization: `Bearer ${token}` })
    const all = await listenTo(t, url, { authorization: `Bearer ${admin}` })
    for (const stream of [own, all]) await stream.next(({ event }) => event === 'snapshot')
    const as = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } })
    const one = { job_id: job.job_id, lease_token: job.lease_token, stage: 's', progress: 0.5 }
    const beats = async (texts: string[]): Promise<void> => {
      const jobs = [{ ...one, checkpoint: checkpoint(texts) }]
      const json = { state: 'running', version: '1', slots: 1, jobs }
      const { status } = await running.ask('POST', '/workers/w1/heartbeat', { json, ...as(admin) })
      assert.equal(status, 200)
    }
    await beats(['Good morning. How'])
    const first = await all.next(({ event }) => event === 'text')
    assert.deepEqual(first.data, {
      job_id: job.job_id,
      first: 0,
      recognised_until: 5,
      segments: [
        { start: 0, end: 4, text: 'Good morning.', speaker: null },
        { start: 4, end: 5, text: 'How', speaker: null },
      ],
    })
    assert.equal(first.id, '', 'nothing to resume from')
    await beats(['Good morning. How', 'are you?'])
    const { data } = await all.next(
      ({ event, data: { first: from } }) => event === 'text' && from === 1,
    )
    assert.deepEqual(
      (data['segments'] as { text: string }[]).map(({ text }) => text),
      ['How are you?'],
    )
    const route = `/remote-jobs/${job.job_id}/result?partial=true`
    assert.equal((await running.ask('GET', route, as(token))).status, 404)
    assert.equal((await running.ask('GET', route, as(admin))).status, 200)
    assert.ok(own.events.every(({ event }) => event !== 'text'))
  })
})

test('new text is at most 500 segments, and nothing where nothing is new', async () => {
  const segments = Array.from({ length: 600 }, (_, i) => ({
    start: i,
    end: i + 1,
    text: 'x',
    speaker: null,
  }))
  let found: typeof segments = segments
  const news = new NewText({ partialText: async () => ({ recognisedUntil: 9, segments: found }) })
  const job = pendingJob({ jobId: newJobId() })
  const all = await news.of(job)
  assert.deepEqual([all?.first, all?.segments.length], [601, 0])
  assert.equal(await news.of(job), null)
  found = segments.slice(0, 20)
  const less = await news.of(job)
  assert.deepEqual([less?.first, less?.segments.length], [20, 0])
  news.forget(job.jobId)
  assert.equal((await news.of(job))?.first, 0)
})

test('readers of new text have all lines, however far back those of a second channel are inserted', async () => {
  const line = (start: number) => ({
    start,
    end: start + 1,
    text: 'x',
    speaker: '' as string | null,
  })
  let found = Array.from({ length: 850 }, (_, i) => line(i * 2))
  const news = new NewText({ partialText: async () => ({ recognisedUntil: 0, segments: found }) })
  const job = pendingJob({ jobId: newJobId() })
  let read: typeof found = []
  for (const inserted of [0, 350, 20]) {
    const more = Array.from({ length: inserted }, (_, i) => line(i * 2 + 1))
    found = [...found, ...more].toSorted((a, b) => a.start - b.start)
    const { first, segments } = (await news.of(job))!
    read = first > read.length ? found : [...read.slice(0, first), ...segments]
    assert.ok(isDeepStrictEqual(read, found), `${inserted} lines`)
  }
})
