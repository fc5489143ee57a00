import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { renderForm } from '../../shared/forms.ts'
import { renderAnswer } from '../../coordinator/speech/forms.ts'
import { claim, startRunning, until, type Claimed, type Running, type Setup } from './running.ts'

const SEGMENTS = [
  { start: 0.5, end: 2, text: 'Guten Tag.', words: [{ start: 0.5, end: 1, text: 'Guten' }] },
  { start: 2.25, end: 3.5, text: 'Wie geht es?', confidence: 0.5, speaker: 'Speaker_01' },
]
const METADATA = { duration: 4.2, language: 'de', language_probability: 0.9, segments: SEGMENTS }
const CHECKPOINT = {
  seconds: 4.2,
  decided: null,
  voices: [{ speech: [{ start: 0, end: 4 }], doneUntil: 4 }],
  segments: SEGMENTS,
}
const TEXT = 'Guten Tag. Wie geht es?'

interface Sent {
  fields?: Record<string, string | string[]>
  bytes?: string
  headers?: Record<string, string>
  part?: string
  signal?: AbortSignal
}

async function post(running: Running, route: string, sent: Sent = {}): Promise<Response> {
  const { fields = {}, bytes = 'speech', headers = {}, part = 'file', signal } = sent
  const form = new FormData()
  form.set(part, new Blob([bytes]), 'talk.mp3')
  for (const [name, values] of Object.entries(fields))
    for (const value of [values].flat()) form.append(name, value)
  const more = signal === undefined ? {} : { signal }
  return await fetch(running.url + route, { method: 'POST', body: form, headers, ...more })
}

const TRANSCRIPTIONS = '/v1/audio/transcriptions'

/** Does the next job as an agent does. */
async function work(running: Running, result: object = {}): Promise<Claimed> {
  const [job] = await claim(running, { wait_seconds: 10 })
  await finish(running, job!, result)
  return job!
}

async function finish(running: Running, job: Claimed, result: object = {}): Promise<void> {
  const json = {
    success: true,
    content: TEXT,
    metadata: METADATA,
    lease_token: job.lease_token,
    ...result,
  }
  const { status, text } = await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, { json })
  assert.equal(status, 200, text)
}

async function beat(running: Running, job: Claimed, checkpoint: object | null): Promise<void> {
  const { job_id, lease_token } = job
  const json = {
    state: 'running',
    version: '1',
    slots: 1,
    capabilities: ABLE,
    jobs: [{ job_id, lease_token, stage: 'transcribing', progress: 0.5, checkpoint }],
  }
  const { status, text } = await running.ask('POST', '/workers/w1/heartbeat', { json })
  assert.equal(status, 200, text)
}

const ABLE = {
  engines: ['x'],
  models: ['large-v3'],
  languages: null,
  features: ['diarize', 'translate', 'words'],
}

async function announce(running: Running, capabilities: object = ABLE): Promise<void> {
  const json = { state: 'idle', version: '1', slots: 1, capabilities, jobs: [] }
  assert.equal((await running.ask('POST', '/workers/w1/heartbeat', { json })).status, 200)
}

async function optionsOf(running: Running, jobId: string): Promise<unknown> {
  return (await running.ask('GET', `/remote-jobs/${jobId}`)).body['task_options']
}

/** A coordinator that never fills an answer, unless told to. */
async function started(t: TestContext, setup: Setup = {}): Promise<Running> {
  return await startRunning(t, { limits: { fillMs: 60_000 }, ...setup })
}

/** One for several tests, with an agent that can do everything. */
async function shared(stops: (() => unknown)[]): Promise<Running> {
  const suite = { after: (stop: () => unknown) => void stops.push(stop) }
  const running = await startRunning(suite as Pick<TestContext, 'after'>, {
    limits: { fillMs: 60_000 },
  })
  await announce(running)
  return running
}

/** Sends a request, does its job, and gives its answer. */
async function answered(running: Running, route: string, sent?: Sent): Promise<Response> {
  const answer = post(running, route, sent)
  await work(running)
  return await answer
}

describe("OpenAI's audio API", () => {
  let running: Running
  const stops: (() => unknown)[] = []
  before(async () => (running = await shared(stops)))
  after(async () => {
    for (const stop of stops) await stop()
  })
  const result = { content: TEXT, metadata: METADATA }
  for (const [format, type, body] of [
    ['text', 'text/plain', `${TEXT}\n`],
    ['srt', 'application/x-subrip', renderForm('srt', result)],
    ['vtt', 'text/vtt', renderForm('vtt', result)],
  ] as const) {
    test(`answers with ${format}`, async () => {
      const answer = await answered(running, TRANSCRIPTIONS, {
        fields: { model: 'whisper-1', response_format: format },
      })
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('content-type'), `${type}; charset=utf-8`)
      assert.equal(await answer.text(), body)
    })
  }

  test('answers with JSON in its three forms', async () => {
    const usage = { type: 'duration', seconds: 5 }
    const plain = await answered(running, TRANSCRIPTIONS, { fields: { model: 'whisper-1' } })
    assert.deepEqual(await plain.json(), { text: TEXT, usage })
    const verbose = await answered(running, TRANSCRIPTIONS, {
      fields: {
        response_format: 'verbose_json',
        'timestamp_granularities[]': ['word', 'segment'],
      },
    })
    const { segments, ...rest } = (await verbose.json()) as { segments: object[] }
    assert.deepEqual(rest, {
      task: 'transcribe',
      language: 'german',
      duration: 4.2,
      text: TEXT,
      usage,
      words: [{ word: 'Guten', start: 0.5, end: 1 }],
    })
    assert.deepEqual(segments[1], {
      id: 1,
      seek: 0,
      start: 2.25,
      end: 3.5,
      text: ' Wie geht es?',
      tokens: [],
      temperature: 0,
      avg_logprob: Math.log(0.5),
      compression_ratio: 1,
      no_speech_prob: 0,
    })
    const diarized = await answered(running, TRANSCRIPTIONS, {
      fields: { response_format: 'diarized_json' },
    })
    const said = (await diarized.json()) as { segments: { speaker: string; id: string }[] }
    assert.deepEqual(
      said.segments.map(({ id, speaker }) => [id, speaker]),
      [
        ['seg_000', 'unknown'],
        ['seg_001', 'Speaker_01'],
      ],
    )
  })

  test('makes options of a job of its parameters, and requires what they need', async () => {
    const answer = await answered(running, '/v1/audio/translations', {
      fields: {
        model: 'large-v3',
        language: 'German',
        prompt: `${'x'.repeat(1000)} Björn`,
        response_format: 'verbose_json',
        'timestamp_granularities[]': 'word',
        temperature: '0.4',
        'chunking_strategy[type]': 'server_vad',
        colour: 'blue',
      },
    })
    const body = (await answer.json()) as Record<string, unknown>
    assert.equal(body['task'], 'translate')
    assert.ok(!('segments' in body) && 'words' in body)
    assert.deepEqual(await optionsOf(running, answer.headers.get('morag-job')!), {
      task: 'translate',
      language: 'de',
      model: 'large-v3',
      prompt: `${'x'.repeat(994)} Björn`,
      word_timestamps: true,
      requires: { translate: true, words: true, model: 'large-v3' },
    })
    const warning = answer.headers.get('morag-warning') ?? ''
    for (const part of ['colour is unknown', 'temperature', 'chunking_strategy', 'prompt is long'])
      assert.ok(warning.includes(part), warning)
  })

  test('sends spaces while it waits, and then the failure in the body', async (t) => {
    const running = await started(t, { limits: { fillMs: 5 } })
    const answer = await post(running, TRANSCRIPTIONS)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-accel-buffering'), 'no')
    await work(running, {
      success: false,
      error_code: 'invalid_media',
      error_message: 'It is noise.',
    })
    const text = await answer.text()
    assert.match(text, /^ +\{/)
    assert.deepEqual(JSON.parse(text), {
      error: {
        message: 'It is noise.',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_media',
      },
    })
    const good = await post(running, TRANSCRIPTIONS)
    await work(running)
    assert.equal(((await good.json()) as { text: string }).text, TEXT)
  })

  test('answers with a status of its own while nothing was sent', async () => {
    const answer = post(running, TRANSCRIPTIONS)
    await work(running, { success: false, error_code: 'invalid_media', error_message: 'Noise.' })
    const { status, headers } = await answer
    assert.equal(status, 400)
    assert.equal(headers.get('x-should-retry'), 'false')
  })

  test('a key belongs to one file and its options, and its result is not made again', async () => {
    const headers = { 'idempotency-key': 'k1' }
    const first = post(running, TRANSCRIPTIONS, { headers })
    const large = { ...METADATA, notes: 'x'.repeat(70_000) }
    const { job_id: id } = await work(running, { metadata: large })
    assert.equal(((await (await first).json()) as { text: string }).text, TEXT)
    assert.equal((await post(running, '/v1/audio/translations', { headers })).status, 409)
    rmSync(path.join(running.dataDir, 'results', `${id}.json`))
    const fields = { response_format: 'srt' }
    const lost = await post(running, TRANSCRIPTIONS, { headers, fields })
    assert.deepEqual([lost.status, lost.headers.get('x-should-retry')], [404, 'false'])
  })

  test('a language that has no tag is called as the engine calls it', () => {
    const said = { content: '', metadata: { language: 'Cantonese' } }
    assert.match(renderAnswer('asr:language', said), /"detected_language":"cantonese"/)
  })

  test('streams the text of checkpoints, and the rest at the end', async () => {
    const answer = await post(running, TRANSCRIPTIONS, { fields: { stream: 'true' } })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    const events = eventsOf(answer)
    const [job] = await claim(running, { wait_seconds: 10 })
    await beat(running, job!, CHECKPOINT)
    const first = await events.next()
    assert.deepEqual(first.value, { type: 'transcript.text.delta', delta: 'Guten Tag.' })
    await finish(running, job!)
    const rest: unknown[] = []
    for await (const one of events) rest.push(one)
    assert.deepEqual(rest, [
      { type: 'transcript.text.delta', delta: ' Wie geht es?' },
      { type: 'transcript.text.done', text: TEXT, usage: { type: 'duration', seconds: 5 } },
    ])
  })

  test('streams both channels of a call, of which one is recognised later', async () => {
    const answer = await post(running, TRANSCRIPTIONS, { fields: { stream: 'true' } })
    const events = eventsOf(answer)
    const [job] = await claim(running, { wait_seconds: 10 })
    const calls = ['Hello.', 'Good morning.', 'How are you?', 'Fine.', 'Good.', 'Bye.']
    const said = calls.map((text, i) => {
      return { start: i * 2, end: i * 2 + 1.5, text, speaker: `channel ${i % 2}` }
    })
    const checkpoint = (until: number): object => ({
      ...CHECKPOINT,
      seconds: 12,
      voices: [12, until].map((doneUntil) => ({ speech: [{ start: 0, end: 12 }], doneUntil })),
      segments: said.filter(({ end }, i) => i % 2 === 0 || end <= until),
    })
    await beat(running, job!, checkpoint(6))
    assert.deepEqual((await events.next()).value, {
      type: 'transcript.text.delta',
      delta: 'Hello. Good morning.',
    })
    await finish(running, job!, { metadata: { ...METADATA, segments: said } })
    const { value } = await events.next()
    assert.equal((value as { delta: string }).delta, ' How are you? Fine. Good. Bye.')
    await events.return(null)
  })

  test('a stream that fails ends with the error', async () => {
    const answer = await post(running, TRANSCRIPTIONS, {
      fields: { stream: 'true', response_format: 'diarized_json' },
    })
    const [job] = await claim(running, { wait_seconds: 10 })
    await running.ask('POST', `/remote-jobs/${job!.job_id}/cancel`)
    const { value } = await eventsOf(answer).next()
    assert.equal((value as { error: { code: string } }).error.code, 'cancelled')
  })

  test('gives the address of the job at once where the client prefers that', async () => {
    const answer = await post(running, TRANSCRIPTIONS, {
      fields: { response_format: 'srt' },
      headers: { prefer: 'respond-async' },
    })
    assert.equal(answer.status, 202)
    assert.equal(answer.headers.get('preference-applied'), 'respond-async')
    const body = (await answer.json()) as Record<string, string>
    assert.equal(answer.headers.get('location'), `/api/v1/remote-jobs/${body['job_id']}`)
    await work(running)
    assert.match(await (await fetch(running.url + body['result_url'])).text(), /^1\n00:/)
    assert.equal((await fetch(running.url + body['status_url'])).status, 200)
  })

  test('lists the models of the agents, and aliases', async (t) => {
    const speech = { modelAliases: ['whisper-1', 'fast=large-v3'], keepAbandoned: false }
    const running = await started(t, { speech })
    await announce(running)
    const { data } = (await (await fetch(`${running.url}/v1/models`)).json()) as {
      data: { id: string; object: string }[]
    }
    assert.deepEqual(
      data.map(({ id }) => id),
      ['whisper-1', 'fast', 'large-v3'],
    )
    assert.equal((await fetch(`${running.url}/v1/models/large-v3`)).status, 200)
    const answer = await answered(running, TRANSCRIPTIONS, { fields: { model: 'fast' } })
    assert.deepEqual(await optionsOf(running, answer.headers.get('morag-job')!), {
      model: 'large-v3',
      requires: { model: 'large-v3' },
    })
  })

  for (const [title, sent, status, code, param] of [
    ['an unknown model', { fields: { model: 'small' } }, 404, 'model_not_found', 'model'],
    ['no language', { fields: { language: '?!' } }, 400, 'invalid', 'language'],
    [
      'keywords without end',
      { fields: { keywords: 'x'.repeat(50_001) } },
      400,
      'invalid',
      'keywords',
    ],
    ['an unknown format', { fields: { response_format: 'x' } }, 400, 'invalid', 'response_format'],
    ['a form without a file', { part: 'other' }, 400, 'invalid', 'file'],
    ['an empty file', { bytes: '' }, 400, 'invalid', 'file'],
  ] as const) {
    test(`${title} is refused in its shape`, async () => {
      const answer = await post(running, TRANSCRIPTIONS, sent)
      const { error } = (await answer.json()) as { error: Record<string, unknown> }
      assert.equal(answer.status, status, JSON.stringify(error))
      assert.deepEqual([error['type'], error['code']], ['invalid_request_error', code])
      assert.equal(error['param'], param)
    })
  }

  test('refuses what no connected agent can do', async (t) => {
    const running = await started(t)
    await announce(running, { ...ABLE, features: [] })
    const fields = { response_format: 'diarized_json' }
    assert.equal((await post(running, TRANSCRIPTIONS, { fields })).status, 400)
    assert.equal((await post(running, '/v1/audio/translations')).status, 400)
    const asr = await post(running, '/asr?diarize=true', { part: 'audio_file', headers: PREFER })
    assert.match(asr.headers.get('morag-warning') ?? '', /tells speakers apart/)
  })

  test('refuses what only several agents could do together, or one that takes no work', async (t) => {
    const running = await started(t)
    await announce(running, { ...ABLE, features: [] })
    const capabilities = { ...ABLE, models: ['small'] }
    const idle = { state: 'idle', version: '1', slots: 1, capabilities, jobs: [] }
    await running.ask('POST', '/workers/w2/heartbeat', { json: idle })
    const ask = async (model: string, format: string): Promise<Response> =>
      await post(running, TRANSCRIPTIONS, {
        fields: { model, response_format: format, 'timestamp_granularities[]': 'word' },
        headers: PREFER,
      })
    assert.equal((await ask('large-v3', 'diarized_json')).status, 400)
    assert.equal((await ask('small', 'diarized_json')).status, 202)
    const plain = await ask('large-v3', 'verbose_json')
    assert.match(plain.headers.get('morag-warning') ?? '', /gives the times of words/)
    assert.deepEqual(await optionsOf(running, plain.headers.get('morag-job')!), {
      model: 'large-v3',
      word_timestamps: true,
      requires: { model: 'large-v3' },
    })
    await running.ask('POST', '/workers/w2/drain')
    assert.equal((await ask('small', 'json')).status, 404)
  })

  test('a file above the limit is refused in its shape, and the owner of a job is its token', async (t) => {
    const limited = await started(t, { maxUploadBytes: 10 })
    const { token } = await limited.tokens.create({
      role: 'submit',
      name: 'website',
      types: null,
      lifeMs: null,
    })
    const headers = { authorization: `Bearer ${token}`, ...PREFER }
    const large = await post(limited, TRANSCRIPTIONS, { headers, bytes: 'x'.repeat(11) })
    assert.equal(large.status, 413)
    const { error } = (await large.json()) as { error: { code: string } }
    assert.equal(error.code, 'too_large')
    const answer = await post(limited, TRANSCRIPTIONS, { headers })
    assert.equal(answer.status, 202)
    const { jobs } = (await limited.ask('GET', '/remote-jobs', { headers })).body
    assert.equal((jobs as object[]).length, 1)
  })

  test('an unknown key, path and method are refused in its shape', async (t) => {
    const running = await started(t, { apiKey: 'k'.repeat(32) })
    const unknown = await post(running, TRANSCRIPTIONS, {
      headers: { authorization: 'Bearer sk-x' },
    })
    assert.equal(unknown.status, 401)
    const { error } = (await unknown.json()) as { error: { code: string } }
    assert.equal(error.code, 'invalid_api_key')
    const headers = { authorization: `Bearer ${'k'.repeat(32)}` }
    for (const [route, status] of [
      ['/v1/chat/completions', 404],
      [TRANSCRIPTIONS, 405],
    ] as const) {
      const answer = await fetch(running.url + route, { headers })
      assert.equal(answer.status, status)
      assert.ok('error' in ((await answer.json()) as object))
    }
  })
})

const PREFER = { prefer: 'respond-async' }

describe('a client that leaves', () => {
  const leave = async (running: Running, headers: Record<string, string> = {}): Promise<string> => {
    const gone = new AbortController()
    const answer = post(running, TRANSCRIPTIONS, { signal: gone.signal, headers }).catch(() => null)
    const [job] = await claim(running, { wait_seconds: 10 })
    gone.abort()
    await answer
    return job!.job_id
  }
  const statusOf = async (running: Running, jobId: string): Promise<unknown> =>
    (await running.ask('GET', `/remote-jobs/${jobId}`)).body['status']

  test('takes its job with it', async (t) => {
    const running = await started(t)
    const jobId = await leave(running)
    await until(async () => (await statusOf(running, jobId)) === 'cancelled')
  })

  test('leaves a job with a key, for which it may return', async (t) => {
    const running = await started(t)
    const headers = { 'idempotency-key': 'one' }
    const jobId = await leave(running, headers)
    const again = post(running, TRANSCRIPTIONS, { headers })
    const [job] = await claim(running, { worker_id: 'w1', claim_id: 'claim-other' })
    assert.equal(job, undefined)
    await running.ask('POST', `/remote-jobs/${jobId}/reassign`)
    await work(running)
    assert.equal((await again).headers.get('morag-job'), jobId)
  })

  test('leaves its job where the coordinator keeps them', async (t) => {
    const speech = { modelAliases: [], keepAbandoned: true }
    const running = await started(t, { speech })
    const jobId = await leave(running)
    const other = await leave(running)
    assert.deepEqual(
      [await statusOf(running, jobId), await statusOf(running, other)],
      ['processing', 'processing'],
    )
  })

  test('of a coordinator that stops gets a refusal, and the job stays', async (t) => {
    const running = await started(t)
    const answer = post(running, TRANSCRIPTIONS)
    const [job] = await claim(running, { wait_seconds: 10 })
    await running.stop()
    assert.equal((await answer).status, 503)
    const again = await started(t, { root: running.root })
    assert.equal(await statusOf(again, job!.job_id), 'processing')
  })
})

describe("whisper-asr-webservice's API", () => {
  let running: Running
  const stops: (() => unknown)[] = []
  before(async () => (running = await shared(stops)))
  after(async () => {
    for (const stop of stops) await stop()
  })
  const part = 'audio_file'

  test('answers with each output', async () => {
    const ask = async (query: string): Promise<string> =>
      await (await answered(running, `/asr?${query}`, { part })).text()
    assert.equal(await ask('output=txt'), 'Guten Tag.\nSpeaker_01: Wie geht es?\n')
    assert.equal(
      await ask('output=tsv'),
      'start\tend\ttext\tspeaker\n500\t2000\tGuten Tag.\t\n2250\t3500\tWie geht es?\tSpeaker_01\n',
    )
    assert.match(await ask('output=srt'), /^1\n00:00:00,500/)
    assert.match(await ask('output=vtt'), /^WEBVTT/)
    const { text, language, segments } = JSON.parse(await ask('output=json')) as {
      text: string
      language: string
      segments: Record<string, unknown>[]
    }
    assert.deepEqual([text, language, segments[1]?.['speaker']], [TEXT, 'de', 'Speaker_01'])
    assert.deepEqual(segments[0]?.['words'], [{ word: 'Guten', start: 0.5, end: 1 }])
  })

  test('makes options of its parameters', async () => {
    const query = new URLSearchParams({
      task: 'translate',
      language: 'ger',
      initial_prompt: 'Björn',
      output: 'json',
      word_timestamps: 'true',
      vad_filter: 'false',
      diarize: 'True',
      min_speakers: '2',
      max_speakers: '3',
    })
    const answer = await answered(running, `/asr?${query.toString()}`, { part })
    assert.deepEqual(await optionsOf(running, answer.headers.get('morag-job')!), {
      task: 'translate',
      language: 'de',
      prompt: 'Björn',
      word_timestamps: true,
      diarize: true,
      min_speakers: 2,
      max_speakers: 3,
      requires: { diarize: true, translate: true, words: true },
    })
    assert.match(answer.headers.get('morag-warning') ?? '', /^vad_filter=false was ignored/)
  })

  test('takes raw samples as Bazarr sends them, and as much as is listened to', async () => {
    const bytes = 'ab'.repeat(20_000)
    const asr = post(running, '/asr?encode=false&video_file=%2Ffilms%2FA%20film.mkv', {
      part,
      bytes,
    })
    const job = await work(running)
    assert.equal(job.source.filename, 'A film.mkv')
    const { jobs } = (await running.ask('GET', '/remote-jobs/')).body as { jobs: Job[] }
    assert.equal(jobs[0]!.size_bytes, 44 + bytes.length)
    assert.equal((await asr).status, 200)
    const source = await (
      await fetch(`${running.url}/api/v1/remote-jobs/${job.job_id}/source`)
    ).text()
    assert.equal(source.slice(0, 4) + source.slice(8, 15), 'RIFFWAVEfmt')
    assert.ok(source.endsWith('abab'))

    const long = post(running, '/detect-language?encode=false', { part, bytes: 'x'.repeat(2e6) })
    const short = await work(running)
    assert.equal(short.source.size_bytes, 44 + 30 * 32_000)
    assert.deepEqual(await (await long).json(), {
      detected_language: 'german',
      language_code: 'de',
      confidence: 0.9,
    })
    assert.deepEqual(await optionsOf(running, short.job_id), { limit_seconds: 30 })
  })

  test('says that a language is unknown, and leaves a WAV as it is', async () => {
    const answer = post(running, '/detect-language?encode=false', { part, bytes: 'RIFF....' })
    const job = await work(running, { metadata: { segments: [], language: null } })
    assert.equal(job.source.size_bytes, 8)
    assert.deepEqual(await (await answer).json(), {
      detected_language: 'unknown',
      language_code: 'und',
      confidence: 0,
    })
  })

  test('takes a token from the address that it was given', async (t) => {
    const key = 'k'.repeat(32)
    const secured = await started(t, { apiKey: key })
    const authorization = `Basic ${Buffer.from(`any:${key}`).toString('base64')}`
    const headers = { ...PREFER, authorization }
    assert.equal((await post(secured, '/asr', { part, headers })).status, 202)
    assert.equal((await post(secured, '/asr', { part })).status, 401)
    // A proxy's own password beside the dashboard's session.
    const basic = { authorization: `Basic ${Buffer.from('ann:proxy').toString('base64')}` }
    const cookie = { ...basic, cookie: `morag_session=${key}` }
    assert.equal((await secured.ask('GET', '/workers', { headers: basic })).status, 401)
    assert.equal((await secured.ask('GET', '/workers', { headers: cookie })).status, 200)
    const foreign = { ...headers, origin: 'https://elsewhere.example' }
    assert.equal((await post(secured, '/asr', { part, headers: foreign })).status, 403)
  })

  test('refuses in the shape of its own', async () => {
    const answer = await post(running, '/asr?output=docx', { part })
    assert.equal(answer.status, 422)
    assert.equal(((await answer.json()) as { code: string }).code, 'invalid')
    const late = await post(running, '/asr', { part, fields: { encode: 'false' } })
    assert.match(await late.text(), /asr\?encode=false/)
  })
})

interface Job {
  size_bytes: number
}

async function* eventsOf(answer: Response): AsyncGenerator<unknown> {
  let text = ''
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop()!
    for (const block of blocks) if (block.startsWith('data: ')) yield JSON.parse(block.slice(6))
  }
}
