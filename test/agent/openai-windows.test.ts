import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { WHISPER_WINDOWS, windowsOf } from '../../agent/audio/windows.ts'
import type { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { sentencesOf, wavOf } from './replay/spoken-words.ts'
import { vllmServer } from './replay/vllm-server.ts'
import { assertTrue, script, SECONDS, talkIn, WHISPER } from './talk.ts'

const { wavPath, speech, request: talk, engineAt } = await talkIn(tempFolder())

describe('vLLM, as it was reported', () => {
  const ask = async (form: string) => {
    const { url } = await vllmServer({ script })
    const body = new FormData()
    body.append('model', WHISPER)
    body.append('response_format', form)
    body.append('file', new Blob([wavOf(script, SECONDS)]), 'a.wav')
    const response = await fetch(`${url}/audio/transcriptions`, { method: 'POST', body })
    return (await response.json()) as { text: string; segments?: { start: number; text: string }[] }
  }

  it('loses words in verbose_json, and its times drift', async () => {
    const { text, segments = [] } = await ask('verbose_json')
    const lost = script.length - text.trim().split(/\s+/).length
    assert.ok(lost > 10, `${lost} lost`)
    const last = sentencesOf(script).at(-1)!
    const { start = 0 } = segments.findLast((one) => one.text.trim() === last.text) ?? {}
    assert.ok(start - last.start > 1, `${start - last.start} s late`)
  })

  it('has no times in json', async () => {
    assert.deepEqual(Object.keys(await ask('json')).sort(), ['text', 'usage'])
  })
})

/** Resolves when so many are there, for all of them. */
function meeting(count: number): () => Promise<void> {
  const { promise, resolve } = deferred()
  let there = 0
  return async () => {
    there += 1
    if (there === count) resolve()
    await promise
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

describe('a server whose times cannot be trusted', () => {
  for (const model of [WHISPER, 'Qwen/Qwen3-ASR-1.7B']) {
    it(`loses no word and no time with ${model}`, async () => {
      const { url, requests, counts } = await vllmServer({ script, model, before: meeting(4) })
      const reached: number[] = []
      const onProgress = (seconds: number): number => reached.push(seconds)
      const request = await talk({ onProgress })
      const heard = await engineAt(url, model).transcribe(request)
      assertTrue(heard)
      for (const { fields, seconds } of requests) {
        assert.ok(seconds <= 28, `${seconds} s`)
        assert.ok(fields.some(([name, value]) => name === 'response_format' && value === 'json'))
      }
      assert.equal(counts.most, 4)
      assert.deepEqual(
        reached,
        reached.toSorted((a, b) => a - b),
      )
      assert.equal(reached.length, requests.length)
      assert.equal(reached.at(-1), SECONDS)
      assert.match(
        heard.warnings.join(),
        /Times are estimated from the pauses, and words have none/,
      )
      assert.equal(heard.warnings.length, 1)
      assert.deepEqual(await readdir(request.workDir), [])
    })
  }

  it('is recognised by its version where a proxy hides its models', async () => {
    const { url, requests } = await vllmServer({ script, hidesModels: true })
    assertTrue(await engineAt(url).transcribe(await talk()))
    assert.ok(requests.every(({ seconds }) => seconds <= 28))
  })

  it('may answer in any order', async () => {
    const { length } = await windowsOf(wavPath, speech, WHISPER_WINDOWS)
    const answered = Array.from({ length: length + 1 }, deferred)
    let count = 0
    const { url, requests } = await vllmServer({
      script,
      before: async () => {
        const index = count++
        // The first of two waits for the second.
        if (index % 2 === 0 && index < length - 1) await answered[index + 1]!.promise
        setImmediate(answered[index]!.resolve)
      },
    })
    assertTrue(await engineAt(url, WHISPER, 2).transcribe(await talk()))
    assert.equal(requests.length, length)
  })

  it('has no request left after a cancel', async () => {
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const all = meeting(4)
    const never = new Promise<void>(() => undefined)
    const { url, requests, counts } = await vllmServer({
      script,
      before: async () => {
        await all()
        stop.abort(reason)
        await never
      },
    })
    const request = await talk({ signal: stop.signal })
    await assert.rejects(engineAt(url).transcribe(request), reason)
    assert.equal(requests.length, 4)
    assert.deepEqual(await readdir(request.workDir), [])
    while (counts.inFlight > 0) await new Promise((done) => setImmediate(done))
    assert.equal(counts.aborted, 4)
  })

  it('fails with the reason of a window that fails, and ends the others', async () => {
    const all = meeting(4)
    let count = 0
    const { url, requests } = await vllmServer({
      script,
      before: async () => {
        const isThird = ++count === 3
        await all()
        if (!isThird) await new Promise(() => undefined)
      },
      refuse: () => ({ status: 500, body: '{"error":{"message":"engine core died"}}' }),
    })
    await assert.rejects(
      engineAt(url).transcribe(await talk()),
      (error: AppError) => error.code === 'engine_failed' && /engine core died/.test(error.message),
    )
    assert.equal(requests.length, 4)
  })
})

describe('a server that has too much to do', () => {
  for (const status of [429, 503]) {
    it(`and says ${status} to all but one request gets one at a time`, async () => {
      const server: Awaited<ReturnType<typeof vllmServer>> = await vllmServer({
        script,
        before: () => new Promise((done) => setImmediate(done)),
        refuse: () =>
          server.counts.inFlight > 1
            ? { status, body: 'busy', headers: { 'retry-after': '0' } }
            : null,
      })
      assertTrue(await engineAt(server.url).transcribe(await talk()))
    })
  }

  it('fails the part when it stays so', async () => {
    const { url, requests } = await vllmServer({
      script,
      refuse: () => ({ status: 503, body: 'overloaded' }),
    })
    await assert.rejects(engineAt(url).transcribe(await talk()), (error: AppError) =>
      /503: overloaded/.test(error.message),
    )
    assert.ok(requests.length <= 30, `${requests.length} requests`)
  })

  it('and too little memory for several windows gets one at a time', async () => {
    const server: Awaited<ReturnType<typeof vllmServer>> = await vllmServer({
      script,
      before: () => new Promise((done) => setImmediate(done)),
      refuse: () =>
        server.counts.inFlight > 1 ? { status: 500, body: 'CUDA out of memory' } : null,
    })
    const heard = await engineAt(server.url).transcribe(await talk())
    assertTrue(heard)
    assert.equal(heard.warnings.length, 1)
  })
})
