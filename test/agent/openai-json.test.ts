import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { isAboutForm, isBusy, serverFailure } from '../../agent/engines/openai-api/failure.ts'
import { endpointsOf } from '../../agent/engines/openai-api/fields.ts'
import { readAnswer } from '../../agent/engines/openai-api/json.ts'
import { AppError } from '../../shared/errors.ts'

const recorded = async (name: string): Promise<Buffer> =>
  await readFile(new URL(`recorded/${name}`, import.meta.url))
const DURATION = 11
const read = async (name: string) => readAnswer(await recorded(name), 'application/json', DURATION)

describe("an answer in OpenAI's form", () => {
  it('has segments, and the words beside them are put into them', async () => {
    const { language, segments } = await read('openai/openai-verbose.json')
    assert.equal(language, 'en')
    assert.deepEqual(
      segments.map(({ words }) => words?.map(({ text }) => text).join(' ')),
      ['The beach was a popular spot on a hot summer day', 'People were swimming in the ocean'],
    )
    assert.equal(segments[0]?.text, 'The beach was a popular spot on a hot summer day.')
    assert.equal(segments[0]?.compressionRatio, 1.2363636493682861)
    assert.equal(segments[1]?.words?.at(-1)?.end, 5.5)
  })

  it('may have segments alone', async () => {
    const { language, segments } = await read('openai/speaches-verbose.json')
    assert.equal(language, 'de')
    assert.deepEqual(
      segments.map(({ text, words }) => [text, words]),
      [
        ['Guten Tag.', undefined],
        ['Fünfzig Prozent.', undefined],
      ],
    )
  })

  it('may be text alone', async () => {
    const said = 'Imagine the wildest idea that you have ever had.'
    const none = { language: null, segments: [] }
    const alone = await read('openai/only-text.json')
    assert.deepEqual([alone.segments, alone.text.trim()], [[], said])
    assert.deepEqual(readAnswer(Buffer.from(said), 'text/plain', DURATION), { ...none, text: said })
    const nothing = '{"text":"","language":"en","segments":[]}'
    const read0 = readAnswer(Buffer.from(nothing), 'application/json', DURATION)
    assert.deepEqual(read0, { language: 'en', segments: [], text: '' })
  })

  it("is read from whisper-server's tokens too", async () => {
    const { segments } = await read('whisper-cpp/server-jfk.json')
    assert.equal(segments[0]?.words?.length, 22)
  })

  it('is refused when half of it is missing', async () => {
    const half = (await recorded('openai/openai-verbose.json')).subarray(0, 300)
    assert.throws(
      () => readAnswer(half, 'application/json', DURATION),
      (error) => error instanceof AppError && error.code === 'engine_failed',
    )
  })
})

describe("a server's refusal", () => {
  const at = { server: 'http://gpu:8000', model: 'large', retryAfterSeconds: undefined }
  const failure = (status: number, text: string | Buffer) =>
    serverFailure(status, Buffer.from(text), at)

  it('is read for what it means', async () => {
    const key = failure(401, await recorded('openai/error-key.json'))
    assert.equal(key.code, 'engine_failed')
    assert.match(key.message, /MORAG_ENGINE_API_KEY/)
    assert.doesNotMatch(key.message, /sk-nope/)
    assert.equal(failure(404, await recorded('openai/error-model.json')).code, 'model_missing')
    assert.equal(
      failure(400, '{"error":{"message":"The model `x` does not exist"}}').code,
      'model_missing',
    )
    assert.equal(failure(404, 'File Not Found (/v1/audio/transcriptions)').code, 'engine_missing')
    assert.equal(failure(404, '{"detail":"Not Found"}').code, 'engine_missing')
    assert.equal(
      failure(422, '{"detail":"Unsupported language: tlh"}').code,
      'unsupported_language',
    )
    assert.equal(failure(413, '').code, 'engine_failed')
    assert.equal(failure(500, 'CUDA failed with error out of memory').code, 'gpu_out_of_memory')
    assert.match(failure(500, '<html>oops</html>').message, /answered 500: <html>oops/)
  })

  it('may pass when the server has too much to do, and not when the quota is used up', () => {
    assert.ok(isBusy(429, Buffer.from('rate limit')))
    assert.ok(isBusy(503, Buffer.from('')))
    assert.ok(!isBusy(500, Buffer.from('')))
    assert.ok(!isBusy(429, Buffer.from('{"error":{"code":"insufficient_quota"}}')))
  })

  it('may be about the form alone', async () => {
    assert.ok(isAboutForm(400, await recorded('openai/error-form.json')))
    assert.ok(!isAboutForm(400, Buffer.from('bad audio')))
  })
})

describe("a server's address", () => {
  it('may be its root, its base, or that of its transcripts', () => {
    for (const url of [
      'http://gpu:8000',
      'http://gpu:8000/v1/',
      'http://gpu:8000/v1/audio/transcriptions',
    ]) {
      assert.deepEqual(endpointsOf(url), {
        transcriptions: 'http://gpu:8000/v1/audio/transcriptions',
        translations: 'http://gpu:8000/v1/audio/translations',
        models: 'http://gpu:8000/v1/models',
        health: 'http://gpu:8000/health',
        version: 'http://gpu:8000/version',
      })
    }
    assert.deepEqual(endpointsOf('http://gpu:8080/inference'), {
      transcriptions: 'http://gpu:8080/inference',
      translations: null,
      models: null,
      health: 'http://gpu:8080/health',
      version: 'http://gpu:8080/version',
    })
  })

  it('keeps what it asks for beside the path, and shows no password', () => {
    const { transcriptions } = endpointsOf('https://me:secret@gpu/openai/v1?api-version=2')
    assert.equal(transcriptions, 'https://gpu/openai/v1/audio/transcriptions?api-version=2')
  })
})
