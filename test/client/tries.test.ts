import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { MoragClient, MoragError } from '../../shared/client/client.ts'
import type { ClientOptions } from '../../shared/client/options.ts'
import type { StreamEvent } from '../../shared/client/types.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const MARK = { 'morag-coordinator': '1' }
const KEYED = { headers: { 'idempotency-key': 'k' } }
const BYTES = new TextEncoder().encode('speech')

interface Request {
  method: string
  path: string
  key: string | null
}

type Answer = (
  request: Request,
  number: number,
  signal: AbortSignal | null,
) => Response | Promise<Response>

/** A client of a stand-in that answers by a script; its requests, and the waits between them, which take no time. */
function scripted(answer: Answer, options: Partial<ClientOptions> = {}) {
  const requests: Request[] = []
  const waits: number[] = []
  const fetch = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const path = String(input).replace('http://127.0.0.1/api/v1', '')
    const key = new Headers(init?.headers).get('idempotency-key')
    const request = { method: init?.method ?? 'GET', path, key }
    requests.push(request)
    return await answer(request, requests.length, init?.signal ?? null)
  }
  const client = new MoragClient({
    url: 'http://127.0.0.1',
    fetch: fetch as typeof globalThis.fetch,
    sleep: async (ms) => {
      waits.push(ms)
      await setImmediate()
    },
    ...options,
  })
  return { client, requests, waits }
}

function lost(): never {
  throw new TypeError('fetch failed', { cause: new Error('read ECONNRESET') })
}

const json = (value: object, status = 200, headers = {}): Response =>
  Response.json(value, { status, headers: { ...MARK, ...headers } })

const created = (): Response =>
  json({ job_id: 'a', status: 'pending', created_at: '2026-11-30T00:00:00Z' })

const untilAborted = async (signal: AbortSignal | null): Promise<never> =>
  await new Promise((_, reject) => {
    signal!.addEventListener('abort', () => reject(signal!.reason as Error))
  })

/** An event stream to which a test writes. */
function eventStream() {
  let send!: (name: string, data: object) => void
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      send = (name, data) =>
        controller.enqueue(
          new TextEncoder().encode(
            `event: ${name}\ndata: ${JSON.stringify({ job_id: 'a', ...data })}\n\n`,
          ),
        )
    },
  })
  return { send, response: new Response(body, { headers: MARK }) }
}

const segment = (text: string, start: number) => ({ start, end: start + 5, text, speaker: null })

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await setImmediate()
}

for (const [status, file] of [
  ['completed', '/result.json'],
  ['processing', '/result.json?partial=true'],
] as const) {
  test(`a stream waits ten minutes for the text of a ${status} job`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let arrive!: (response: Response) => void
    const { client, requests } = scripted(async (request, _, signal) => {
      if (request.path === '/events') return eventStream().response
      if (request.path.endsWith('/status')) return json({ job_id: 'a', status, attempt: 1 })
      const arrival = new Promise<Response>((resolve) => {
        arrive = resolve
      })
      return await Promise.race([arrival, untilAborted(signal)])
    })
    const events = client.stream('a')
    const progress = events.next()
    await settle()
    // The stream's own limit of silence has not begun.
    t.mock.timers.tick(599_000)
    await settle()
    arrive(json({ segments: [segment('Late.', 0)], recognised_until: 5 }))
    await progress
    const { value } = await events.next()
    assert.equal((value as { segments: { text: string }[] }).segments[0]?.text, 'Late.')
    assert.equal(requests.filter((one) => one.path.endsWith(file)).length, 1)
    await events.return()
  })
}

test('a stream has the text of one attempt alone, though a later one begins anew', async () => {
  const { send, response } = eventStream()
  const old = ['A', 'B', 'C'].map((text, i) => segment(text, i * 5))
  const { client } = scripted(({ path }) => {
    if (path === '/events') return response
    if (path.endsWith('/status')) return json({ job_id: 'a', status: 'processing', attempt: 1 })
    return json({ segments: old, recognised_until: 15 })
  })
  const text: string[] = []
  const events = client.stream('a')
  const take = async (): Promise<StreamEvent> => {
    const event = (await events.next()).value as StreamEvent
    if (event.type === 'text')
      text.splice(event.first, Infinity, ...event.segments.map((one) => one.text))
    return event
  }
  await take()
  await take()
  assert.deepEqual(text, ['A', 'B', 'C'])
  send('job', { status: 'pending', attempt: 1 })
  // Until its first report the partial result is the earlier attempt's.
  send('job', { status: 'processing', attempt: 2 })
  send('text', { first: 0, recognised_until: 5, segments: [segment('a', 0)] })
  send('text', { first: 1, recognised_until: 20, segments: [segment('b', 5)] })
  for (let texts = 0; texts < 2;) if ((await take()).type === 'text') texts += 1
  assert.deepEqual(text, ['a', 'b'])
  await events.return()
})

test('an aborted transcription tries once to cancel its job', async () => {
  const stop = new AbortController()
  const { client, requests } = scripted(({ path }) => {
    if (path === '/remote-jobs/') return created()
    if (path.endsWith('/status')) return json({ job_id: 'a', status: 'pending' })
    return lost()
  })
  const onProgress = (): void => stop.abort(new Error('enough'))
  const aborted = client.transcribe(BYTES, 'txt', { signal: stop.signal, onProgress })
  await assert.rejects(aborted, /enough/)
  assert.equal(requests.filter(({ path }) => path.endsWith('/cancel')).length, 1)
})

test('only what may be repeated is repeated', async () => {
  for (const [init, expected] of [
    [{ method: 'POST', body: '{}' }, 1],
    [{ method: 'PATCH', body: '{}' }, 1],
    [{ method: 'PUT', body: new Blob([BYTES]).stream() }, 1],
    [{ method: 'POST', body: '{}', ...KEYED }, 3],
    [{ method: 'PUT', body: '{}' }, 3],
    [{ method: 'DELETE' }, 3],
    [{}, 3],
  ] as const) {
    const { client, requests } = scripted(lost, { retries: 2 })
    await assert.rejects(client.request('/remote-jobs/', init), { code: 'unavailable' })
    assert.equal(requests.length, expected, JSON.stringify(init))
  }
  const { client, requests } = scripted(lost)
  await assert.rejects(client.retry('a'), { code: 'unavailable' })
  assert.equal(requests.length, 1)
})

test('an address is asked for, under one key, while the coordinator fetches, for up to an hour', async (t) => {
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const address = 'https://example.com/talk.mp3'
  const slow = scripted(
    (_, number) => {
      nowMs += 300_000
      return number > 8 ? created() : lost()
    },
    { retries: 0 },
  )
  assert.equal((await slow.client.submit(address)).job_id, 'a')
  assert.equal(slow.requests.length, 9)
  assert.equal(new Set(slow.requests.map(({ key }) => key)).size, 1)
  const never = scripted(
    () => {
      nowMs += 300_000
      return lost()
    },
    { retries: 0 },
  )
  await assert.rejects(never.client.submit(address), { code: 'unavailable' })
  assert.equal(never.requests.length, 12)
  const absent = scripted(lost, { retries: 1 })
  await assert.rejects(absent.client.submit(address), { code: 'unavailable' })
  assert.equal(absent.requests.length, 2)
})

/** As in a browser: without the modules of Node. */
function withoutNode(t: TestContext): void {
  const own = Object.getOwnPropertyDescriptor(process, 'getBuiltinModule')!
  Object.defineProperty(process, 'getBuiltinModule', { value: undefined, configurable: true })
  t.after(() => void Object.defineProperty(process, 'getBuiltinModule', own))
}

test('in a browser, an abort ends the reading of a stream', async (t) => {
  withoutNode(t)
  const { client, requests } = scripted(created)
  let cancelled: unknown
  const endless = new ReadableStream<Uint8Array>({
    pull: async () => await new Promise(() => undefined),
    cancel: (reason) => void (cancelled = reason),
  })
  let isLeft = false
  const iterable = {
    [Symbol.asyncIterator]: () => ({
      next: async () => await new Promise<never>(() => undefined),
      return: async () => {
        isLeft = true
        return { done: true as const, value: undefined }
      },
    }),
  }
  const reason = new Error('enough')
  for (const source of [endless, iterable]) {
    const stop = new AbortController()
    const call = client.submit(source, { signal: stop.signal })
    await setImmediate()
    stop.abort(reason)
    await assert.rejects(call, reason)
  }
  assert.deepEqual([cancelled, isLeft, requests], [reason, true, []])
  const whole = new Blob([BYTES]).stream()
  assert.equal((await client.submit(whole)).job_id, 'a')
})

test("a caller's fault is one at once", async () => {
  const secret = 'one\ntwo €'
  const wrong = (): MoragClient => new MoragClient({ url: 'http://127.0.0.1', apiKey: secret })
  assert.throws(wrong, (error) => {
    assert.ok(error instanceof MoragError)
    assert.deepEqual(
      [error.code, error.message, error.cause],
      ['usage', 'The apiKey has characters that a header cannot have.', undefined],
    )
    return true
  })
  const { client, requests } = scripted(created)
  const usage = { code: 'usage', retryable: false }
  await assert.rejects(client.submit(BYTES, { idempotencyKey: secret }), usage)
  const folder = tempFolder()
  await assert.rejects(client.submit(folder), {
    ...usage,
    message: `The file '${folder}' cannot be read.`,
  })
  assert.deepEqual(requests, [])
  const file = path.join(folder, 'talk.mp3')
  writeFileSync(file, BYTES)
  const vanishing = scripted(async () => {
    rmSync(file)
    throw new TypeError('fetch failed', {
      cause: new DOMException('The blob could not be read', 'NotReadableError'),
    })
  })
  await assert.rejects(vanishing.client.submit(file), {
    ...usage,
    message: 'The file can no longer be read.',
  })
  assert.equal(vanishing.requests.length, 1)
})

test('an error has the wait that the coordinator asks for, of which five minutes are waited', async () => {
  const refusal = (code: string, status: number, after: string): Response =>
    json({ detail: 'Later.', code }, status, { 'retry-after': after })
  const ofDay = scripted(() => refusal('quota_exceeded', 429, '40000'))
  await assert.rejects(ofDay.client.status('a'), { retryAfterSeconds: 40_000, retryable: false })
  const { client, waits } = scripted(() => refusal('unavailable', 503, '5000'), { retries: 1 })
  await assert.rejects(client.status('a'), { retryAfterSeconds: 5_000 })
  assert.deepEqual(waits, [300_000])
})
