import assert from 'node:assert/strict'
import { createReadStream, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { MoragClient, MoragError } from '../../shared/client/client.ts'
import type { ClientOptions } from '../../shared/client/options.ts'
import type { Form, JobSummary, StreamEvent } from '../../shared/client/types.ts'
import { ENDINGS, FORMS } from '../../shared/forms.ts'
import { claim, startRunning, type Claimed, type Running } from '../coordinator/running.ts'
import { startWebServer } from '../coordinator/web-server.ts'

const BYTES = new TextEncoder().encode('speech')
const SEGMENTS = [
  { start: 0, end: 5, text: 'Good morning.' },
  { start: 5, end: 10, text: 'How are you?' },
]

interface Scene {
  running: Running
  client: MoragClient
  /** Milliseconds of each wait; none takes time. */
  waits: number[]
  /** The waiting job, claimed. */
  claimed: () => Promise<Claimed>
  beat: (job: Claimed, texts: readonly string[]) => Promise<void>
  finish: (job: Claimed, different?: object) => Promise<void>
}

async function scene(
  t: TestContext,
  { options = {}, running: given }: { options?: Partial<ClientOptions>; running?: Running } = {},
): Promise<Scene> {
  const running = given ?? (await startRunning(t))
  const waits: number[] = []
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    waits.push(ms)
    await setImmediate()
    signal?.throwIfAborted()
  }
  const ask = async (method: string, route: string, json: object): Promise<void> => {
    const { status, text } = await running.ask(method, route, { json })
    assert.equal(status, 200, text)
  }
  return {
    running,
    waits,
    client: new MoragClient({ url: running.url, sleep, ...options }),
    claimed: async () => {
      const content_types = ['audio', 'video', 'document']
      return (await claim(running, { content_types }))[0]!
    },
    beat: async ({ job_id, lease_token }, texts) => {
      const segments = texts.map((text, i) => ({ start: i * 5, end: i * 5 + 5, text }))
      const speech = [{ start: 0, end: 60 }]
      const voices = [{ speech, doneUntil: texts.length * 5 }]
      const checkpoint = { seconds: 60, decided: { language: 'en' }, voices, segments }
      const one = { job_id, lease_token, stage: 'transcribing', progress: 0.5, checkpoint }
      const beat = { state: 'running', version: '1', slots: 1, jobs: [one] }
      await ask('POST', '/workers/w1/heartbeat', beat)
    },
    finish: async ({ job_id, lease_token }, result = {}) => {
      const metadata = { duration: 10, language: 'en', segments: SEGMENTS }
      const whole = { success: true, content: 'The text.', metadata, lease_token, ...result }
      await ask('PUT', `/remote-jobs/${job_id}/result`, whole)
    },
  }
}

/** The next so many answers to requests for a path are another; null: none comes, but the request was made. */
function interrupting(
  isMeant: (url: string, method: string) => boolean,
  answers: (Response | null)[],
): typeof globalThis.fetch {
  return async (input, init) => {
    const isNext = answers.length > 0 && isMeant(input as string, init?.method ?? 'GET')
    if (!isNext) return await fetch(input, init)
    const answer = answers.shift()!
    if (answer !== null) return answer
    await (await fetch(input, init)).arrayBuffer()
    throw new TypeError('fetch failed', { cause: new Error('read ECONNRESET') })
  }
}

const failed = async (call: Promise<unknown>): Promise<MoragError> => {
  const error = await call.then(
    () => assert.fail('it did not fail'),
    (one: unknown) => one,
  )
  assert.ok(error instanceof MoragError, String(error))
  return error
}

describe('submit', () => {
  let running: Running
  const stops: (() => Promise<void> | void)[] = []
  before(async () => {
    const suite = { after: (stop: () => Promise<void> | void) => void stops.push(stop) }
    const allowed = { sourceAllow: ['127.0.0.1'] }
    running = await startRunning(suite as Pick<TestContext, 'after'>, allowed)
  })
  after(async () => {
    for (const stop of stops) await stop()
  })

  for (const [what, source, filename, type] of [
    ['bytes', () => BYTES, 'recording', 'audio'],
    ['an ArrayBuffer', () => BYTES.buffer, 'recording', 'audio'],
    ['a Blob', () => new Blob([BYTES], { type: 'video/mp4' }), 'recording', 'video'],
    ['a File', () => new File([BYTES], 'a "talk" für dich.mkv'), 'a "talk" für dich.mkv', 'video'],
    ['a web stream', () => new Blob([BYTES]).stream(), 'recording', 'audio'],
    ['a stream of Node', (file: string) => createReadStream(file), 'recording', 'audio'],
    ['a path', (file: string) => file, 'talk.mp3', 'audio'],
  ] as const) {
    test(`takes ${what}`, async (t) => {
      const { client } = await scene(t, { running })
      const file = path.join(running.root, 'talk.mp3')
      writeFileSync(file, BYTES)
      const { job_id: id, status } = await client.submit(source(file))
      assert.equal(status, 'pending')
      const job = await client.job(id)
      assert.deepEqual(
        [job.source.filename, job.content_type, job.source.size_bytes],
        [filename, type, BYTES.length],
      )
    })
  }

  test('sends every field, with a stream as well', async (t) => {
    const { client } = await scene(t, { running })
    const options = {
      content_type: 'document',
      task_options: { language: 'de', word_timestamps: true },
      priority: -7,
      ingestion_task_id: 'my task',
      filename: 'an "odd" name.pdf',
      webhook: { url: 'https://example.com/hook', progress: true },
    }
    for (const source of [BYTES, new Blob([BYTES]).stream()]) {
      const job = await client.job((await client.submit(source, options)).job_id)
      assert.equal(job.content_type, 'document')
      assert.deepEqual(job.task_options, options.task_options)
      assert.deepEqual([job.priority, job.ingestion_task_id], [-7, 'my task'])
      assert.equal(job.webhook, 'https://example.com')
    }
  })

  test('takes an address', async (t) => {
    const web = await startWebServer(t)
    web.files.set('/talk.wav', Buffer.from('RIFF0000WAVEfmt '.padEnd(400, '\0')))
    const { client } = await scene(t, { running })
    for (const source of [`${web.url}/talk.wav`, new URL(`${web.url}/talk.wav`)]) {
      const job = await client.job((await client.submit(source, { priority: 3 })).job_id)
      assert.deepEqual(
        [job.source.kind, job.source.filename, job.content_type, job.priority],
        ['url', 'talk.wav', 'audio', 3],
      )
    }
    const { code, message } = await failed(client.submit(`${web.url}/none.wav`))
    assert.equal(code, 'invalid')
    assert.match(message, /404/)
  })

  test('makes one job though its answer is lost, and one of the same key', async (t) => {
    const lost = interrupting((url) => url.endsWith('/remote-jobs/'), [null, null])
    const { client, waits } = await scene(t, { running, options: { fetch: lost } })
    const { job_id: id } = await client.submit(BYTES, { filename: 'of one call' })
    assert.equal((await all(client.list({ text: 'of one call' }))).length, 1)
    assert.equal(waits.length, 2)
    const first = await client.submit(BYTES, { idempotencyKey: 'mine' })
    const again = await client.submit(BYTES, { idempotencyKey: 'mine' })
    assert.equal(again.job_id, first.job_id)
    assert.notEqual(first.job_id, id)
  })

  test('does not send a stream again, and says why it broke', async (t) => {
    const lost = interrupting((url) => url.endsWith('/remote-jobs/'), [null])
    const { client, waits } = await scene(t, { running, options: { fetch: lost } })
    assert.equal((await failed(client.submit(new Blob([BYTES]).stream()))).code, 'unavailable')
    assert.deepEqual(waits, [])
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield BYTES
      throw new Error('the microphone is gone')
    }
    const { code, message } = await failed(client.submit(broken()))
    assert.deepEqual(
      [code, message],
      ['usage', 'The source cannot be read: the microphone is gone'],
    )
  })

  test('names a file that is not there', async (t) => {
    const { client } = await scene(t, { running })
    const { code, message } = await failed(client.submit('/no/such/file.mp3'))
    assert.deepEqual([code, message], ['usage', "The file '/no/such/file.mp3' cannot be read."])
  })
})

describe('wait', () => {
  test('reports progress, and ends with the completed job', async (t) => {
    const { client, waits, claimed, beat, finish } = await scene(t)
    const { job_id: id } = await client.submit(BYTES)
    const seen: string[] = []
    let job: Claimed | undefined
    const done = await client.wait(id, {
      pollMs: 150,
      onProgress: ({ status, stage }) => {
        seen.push(stage ?? status)
        if (status === 'pending') void claimed().then((one) => (job ??= one))
        else if (job !== undefined && stage === null)
          void beat(job, ['Good morning.']).catch(() => undefined)
        else if (job !== undefined && status === 'processing')
          void finish(job).catch(() => undefined)
      },
    })
    assert.deepEqual([done.status, done.job_id], ['completed', id])
    assert.deepEqual([...new Set(seen)], ['pending', 'processing', 'transcribing', 'completed'])
    assert.deepEqual(waits.slice(0, 3), [100, 150, 150])
  })

  test('outlasts a restart of the coordinator, and obeys Retry-After', async (t) => {
    const { running, client, waits, claimed, finish } = await scene(t, {
      options: {
        retries: 0,
        fetch: interrupting(
          (url) => url.endsWith('/status') && waitsForMore,
          [busy(429, '7'), busy(503, '9')],
        ),
        onRetry: ({ code, status }) => void tries.push([code, status]),
      },
    })
    let waitsForMore = false
    const tries: [string, number][] = []
    const { job_id: id } = await client.submit(BYTES)
    const job = await claimed()
    let next: Promise<unknown> | undefined
    const done = await client.wait(id, {
      onProgress: () => {
        waitsForMore = true
        next ??= running.stop().then(async () => {
          const port = Number(new URL(running.url).port)
          await startRunning(t, { root: running.root, port })
          await finish(job)
        })
      },
    })
    await next
    assert.equal(done.status, 'completed')
    assert.deepEqual(tries.slice(0, 2), [
      ['too_many_requests', 429],
      ['unavailable', 503],
    ])
    assert.ok(tries.slice(2).every(([code]) => code === 'unavailable'))
    assert.ok(waits.includes(7_000) && waits.includes(9_000), String(waits))
  })

  test('fails with the code of a job that fails', async (t) => {
    const { client, claimed, finish } = await scene(t)
    const { job_id: id } = await client.submit(BYTES)
    const error_message = 'There is no sound in it.'
    const failure = { success: false, error_code: 'no_audio', error_message, metadata: null }
    await finish(await claimed(), failure)
    const { code, message, status, job, retryable } = await failed(client.wait(id))
    assert.deepEqual([code, status, retryable], ['no_audio', 0, false])
    assert.equal(message, `Job ${id} is failed: ${error_message}`)
    assert.equal(job?.status, 'failed')
  })

  test('ends with its signal, the job going on', async (t) => {
    const { client } = await scene(t)
    const { job_id: id } = await client.submit(BYTES)
    const stop = new AbortController()
    const reason = new Error('enough')
    const onProgress = (): void => stop.abort(reason)
    await assert.rejects(client.wait(id, { signal: stop.signal, onProgress }), reason)
    await assert.rejects(client.wait(id, { signal: stop.signal }), reason)
    assert.equal((await client.status(id)).status, 'pending')
  })
})

const busy = (status: number, after: string): Response => {
  const code = status === 429 ? 'too_many_requests' : 'unavailable'
  const headers = { 'retry-after': after, 'morag-coordinator': '1' }
  return Response.json({ detail: 'Later.', code }, { status, headers })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of items) found.push(one)
  return found
}

/** The text of a stream's events, as a reader has it. */
function textOf(events: readonly StreamEvent[]): string[] {
  const text: string[] = []
  for (const event of events)
    if (event.type === 'text')
      text.splice(event.first, Infinity, ...event.segments.map((one) => one.text))
  return text
}

describe('stream', () => {
  test('brings progress and text as they come, and the rest at the end', async (t) => {
    const { client, claimed, beat, finish } = await scene(t)
    const { job_id: id } = await client.submit(BYTES)
    const job = await claimed()
    await beat(job, ['Good morning.'])
    const events: StreamEvent[] = []
    for await (const event of client.stream(id)) {
      events.push(event)
      if (event.type === 'progress') continue
      if (event.segments.at(-1)?.text === 'Good morning.')
        await beat(job, ['Good morning.', 'How are you'])
      if (event.segments.at(-1)?.text === 'How are you') await finish(job)
    }
    assert.deepEqual(textOf(events), ['Good morning.', 'How are you?'])
    const texts = events.filter((event) => event.type === 'text')
    assert.deepEqual(
      texts.map(({ first, segments }) => [first, segments.length]),
      [
        [0, 1],
        [1, 1],
        [1, 1],
      ],
    )
    assert.deepEqual(texts[0]!.segments[0], { ...SEGMENTS[0], speaker: null })
    const states = events.flatMap((event) => (event.type === 'progress' ? [event.job.status] : []))
    assert.deepEqual([states[0], states.at(-1)], ['processing', 'completed'])
  })

  test('goes on after lost connections with what it missed', async (t) => {
    let opened = 0
    const cutting: typeof globalThis.fetch = async (input, init) => {
      const answer = await fetch(input, init)
      if (!(input as string).endsWith('/events')) return answer
      opened += 1
      if (opened === 1) return busy(503, '3')
      if (opened > 3) return answer
      // Only its first bytes come.
      const { value } = await answer.body!.getReader().read()
      return new Response(value, { headers: answer.headers })
    }
    const { client, claimed, beat, finish, waits } = await scene(t, { options: { fetch: cutting } })
    const { job_id: id } = await client.submit(BYTES)
    const job = await claimed()
    const events: StreamEvent[] = []
    for await (const event of client.stream(id)) {
      events.push(event)
      if (opened === 1) await beat(job, ['Good morning.'])
      if (opened === 3) await beat(job, ['Good morning.', 'How'])
      if (opened === 4 && textOf(events).length === 2) await finish(job).catch(() => undefined)
    }
    assert.deepEqual(textOf(events), ['Good morning.', 'How are you?'])
    assert.ok(waits.includes(3_000), String(waits))
  })

  test('fails as the job does, or is not there, and ends with its signal or its reader', async (t) => {
    const { client } = await scene(t)
    const { job_id: id } = await client.submit(BYTES)
    for await (const event of client.stream(id)) {
      assert.equal(event.type, 'progress')
      break
    }
    const stop = new AbortController()
    const reading = async (): Promise<void> => {
      for await (const _ of client.stream(id, { signal: stop.signal }))
        stop.abort(new Error('enough'))
    }
    await assert.rejects(reading, /^Error: enough/)
    const cancelled = async (): Promise<void> => {
      for await (const _ of client.stream(id)) await client.cancel(id).catch(() => undefined)
    }
    assert.equal((await failed(cancelled())).code, 'cancelled')
    assert.equal((await failed(all(client.stream('none')))).code, 'not_found')
  })
})

describe('result', () => {
  test('comes in each form, as its route sends it', async (t) => {
    const { client, running, claimed, finish } = await scene(t)
    const { job_id: id } = await client.submit(BYTES, { filename: 'talk.mp3' })
    assert.equal((await failed(client.result(id, 'srt'))).code, 'conflict')
    assert.equal((await client.result(id, 'json', { partial: true })).partial, true)
    await finish(await claimed())
    const texts = FORMS.filter((form) => form !== 'json' && form !== 'chunks')
    for (const form of texts satisfies Form[]) {
      const { text } = await running.ask('GET', `/remote-jobs/${id}/result.${ENDINGS[form]}`)
      assert.equal(await client.result(id, form), text)
    }
    const { segments, duration } = await client.result(id, 'json')
    assert.deepEqual([segments, duration], [SEGMENTS, 10])
    const [chunk] = await client.result(id, 'chunks', { chunk_tokens: 100 })
    assert.deepEqual(
      [chunk?.id, chunk?.text, chunk?.source.job_id],
      [`${id}-0`, 'Good morning. How are you?', id],
    )
    const plain = await client.result(id, 'vtt', { subtitles: 'plain', max_lines: 1 })
    assert.equal(plain.match(/-->/g)?.length, 2)
  })

  test('of a file in one call, whose signal cancels the job', async (t) => {
    const { client, claimed, finish } = await scene(t)
    const text = client.transcribe(BYTES, 'txt', {
      onProgress: ({ status }) => {
        if (status === 'pending') void claimed().then(async (job) => job && (await finish(job)))
      },
    })
    assert.equal(await text, 'Good morning.\nHow are you?\n')
    const stop = new AbortController()
    const onProgress = (): void => stop.abort(new Error('enough'))
    const aborted = client.transcribe(BYTES, 'txt', { signal: stop.signal, onProgress })
    await assert.rejects(aborted, /enough/)
    const [latest] = await all(client.list())
    assert.equal(latest?.status, 'cancelled')
  })
})

test('jobs are listed page by page, cancelled and queued again', async (t) => {
  const { client } = await scene(t)
  const ids: string[] = []
  for (let i = 0; i < 51; i += 1) ids.unshift((await client.submit(BYTES)).job_id)
  const id = ids[0]!
  assert.equal((await client.cancel(id)).status, 'cancelled')
  assert.equal((await failed(client.retry(ids[1]!))).code, 'conflict')
  const listed = async (jobs: AsyncIterable<JobSummary>): Promise<string[]> =>
    (await all(jobs)).map((job) => job.job_id)
  assert.deepEqual(new Set(await listed(client.list())), new Set(ids))
  assert.deepEqual(await listed(client.list({ status: 'cancelled' })), [id])
  assert.equal((await client.retry(id)).status, 'pending')
  const removed = await client.request(`/remote-jobs/${id}`, { method: 'DELETE' })
  assert.equal(((await removed.json()) as { removed: boolean }).removed, true)
})

describe('errors', () => {
  test('have the code, message and status of the coordinator', async (t) => {
    const { client, running } = await scene(t)
    const { code, status, message } = await failed(client.status('none'))
    assert.deepEqual([code, status, message], ['not_found', 404, 'There is no job none.'])
    const invalid = await failed(client.submit(BYTES, { priority: 5_000 }))
    assert.deepEqual([invalid.code, invalid.status], ['invalid', 422])
    assert.match(invalid.message, /^body\.priority: /)
    const tokens = running.tokens
    const wish = { role: 'submit', name: 'b', types: null, lifeMs: null } as const
    const { token } = await tokens.create(wish)
    const { status: none } = await failed(client.status('none'))
    assert.equal(none, 401)
    const own = new MoragClient({ url: `${running.url}/api/v1/`, apiKey: token })
    const { job_id: id } = await own.submit(BYTES)
    assert.equal((await failed(own.retry(id))).code, 'forbidden')
  })

  test('say what is wrong with the address', async (t) => {
    for (const [answer, expected] of [
      [
        new Response('<html>', { status: 404 }),
        /^Something else than a coordinator .* status 404\.$/,
      ],
      [new Response('<html>'), /is not JSON: is a MoRAG coordinator there\?$/],
      [
        Response.redirect('https://example.com/', 302),
        /redirects to https:\/\/example.com\/, which/,
      ],
    ] as const) {
      const { client } = await scene(t, {
        options: { retries: 0, fetch: async () => answer.clone() },
      })
      assert.match((await failed(client.status('x'))).message, expected)
    }
    assert.throws(() => new MoragClient({ url: 'not one' }), { code: 'usage' })
    const { client, running, waits } = await scene(t, { options: { retries: 2 } })
    await running.stop()
    const { code, status, message } = await failed(client.status('x'))
    assert.deepEqual([code, status, waits.length], ['unavailable', 0, 2])
    assert.match(message, /^Cannot reach the coordinator at http:.*ECONNREFUSED/)
  })

  test('a page of something on the way is no transcript', async (t) => {
    const page = interrupting((url) => url.endsWith('.txt'), [new Response('<html>Sign in')])
    const { client, claimed, finish, waits } = await scene(t, { options: { fetch: page } })
    const { job_id: id } = await client.submit(BYTES)
    await finish(await claimed())
    assert.equal(await client.result(id, 'txt'), 'Good morning.\nHow are you?\n')
    assert.equal(waits.length, 1)
  })
})
