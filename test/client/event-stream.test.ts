import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { MoragError } from '../../shared/client/error.ts'
import { openEvents } from '../../shared/client/event-stream.ts'
import { pause, within } from '../../shared/client/pause.ts'
import { Requests } from '../../shared/client/requests.ts'

/** A client whose requests get an answer with these bytes, and then silence; null: none at all. */
function silentAfter(pieces: readonly string[] | null): Requests {
  const fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const aborted = new Promise<never>((_resolve, reject) => {
      init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error))
    })
    aborted.catch(() => undefined)
    if (pieces === null) return await aborted
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
        aborted.catch((reason: unknown) => controller.error(reason))
      },
    })
    return new Response(body, { headers: { 'morag-coordinator': '1' } })
  }
  return new Requests({ url: 'http://127.0.0.1', fetch: fetch as typeof globalThis.fetch })
}

const isSilent = (error: unknown): boolean =>
  error instanceof MoragError && error.retryable && /silent/.test(error.message)

function still(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

test('events are read however they are cut, and comments left out', async () => {
  const text =
    'retry: 3000\n\nid: a.1\nevent: job\ndata: {"text": "für"}\n\n:\n\nevent: text\ndata: {}\n\n'
  for (const size of [1, 7, text.length]) {
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
    const events = openEvents(silentAfter(pieces), null, undefined)
    assert.equal((await events.next()).value, null)
    assert.deepEqual((await events.next()).value, {
      id: 'a.1',
      name: 'job',
      data: '{"text": "für"}',
    })
    assert.deepEqual((await events.next()).value, { id: null, name: 'text', data: '{}' })
    await events.return()
  }
})

test('a stream counts as lost that is not opened within 10 s, or silent for 40 s', async (t) => {
  still(t)
  const unopened = openEvents(silentAfter(null), null, undefined).next()
  t.mock.timers.tick(10_000)
  await assert.rejects(unopened, isSilent)
  const events = openEvents(silentAfter([':\n\n']), null, undefined)
  await events.next()
  const next = events.next()
  await setImmediate()
  t.mock.timers.tick(39_999)
  await setImmediate()
  t.mock.timers.tick(1)
  await assert.rejects(next, isSilent)
})

test('a request that is not answered in time is an error that may pass', async (t) => {
  still(t)
  const asked = silentAfter(null).ask('/x', { retries: 0 }, async () => 1)
  t.mock.timers.tick(60_000)
  await assert.rejects(asked, { code: 'unavailable', retryable: true, status: 0 })
  const stop = new AbortController()
  const stopped = silentAfter(null).ask('/x', { signal: stop.signal }, async () => 1)
  stop.abort(new Error('enough'))
  await assert.rejects(stopped, /enough/)
})

test('a pause ends with its time or its signal', async (t) => {
  still(t)
  const over = pause(1_000)
  t.mock.timers.tick(1_000)
  await over
  const stop = new AbortController()
  const cut = pause(1_000, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(cut, /enough/)
  await assert.rejects(pause(1, stop.signal), /enough/)
  await assert.rejects(
    within(1, stop.signal, async () => 1),
    /enough/,
  )
})
