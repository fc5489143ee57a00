import assert from 'node:assert/strict'
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { freePort } from '../../agent/engines/whisper-cpp/free-port.ts'
import { openaiApi } from '../../agent/engines/openai-api/definition.ts'
import { OpenaiEngine } from '../../agent/engines/openai-api/engine.ts'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { installReplay } from './replay/install.ts'
import { documented, openaiServer } from './replay/openai-server.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

async function engineFor(more: Partial<EngineSettings>): Promise<Engine> {
  const settings = { ...engineSettings(folder), ...more }
  const engine = openaiApi.create(settings, await openaiApi.probe(settings, signal))
  after(() => engine.close())
  return engine
}

const info = { name: 'openai-api', model: 'whisper-1', device: 'x', version: 'x' }

/** The same, without a second to wait for a busy server. */
function impatient(url: string): Engine {
  return new OpenaiEngine({ ...engineSettings(folder), url }, info, [], { minMs: 1 })
}

describe('openai-api on a server that runs', () => {
  it('sends the recording with what the job asks for, and reads segments and words', async () => {
    const { url, asked } = await openaiServer((_, answer) =>
      answer(200, documented('openai-verbose.json')),
    )
    const engine = await engineFor({ url, apiKey: 'sk-1' })
    assert.equal(engine.info.model, 'Systran/faster-whisper-small')
    const options = { ...OPTIONS, language: 'en', prompt: 'Austen', hotwords: 'Elinor' }
    const heard = await engine.transcribe(await requestFor(folder, { options }))
    assert.equal(heard.segments.length, 2)
    assert.equal(heard.segments[0]?.words?.length, 11)
    const [one] = asked
    assert.equal(one?.path, '/v1/audio/transcriptions')
    assert.equal(one.authorization, 'Bearer sk-1')
    assert.deepEqual(one.fields, [
      ['model', 'Systran/faster-whisper-small'],
      ['response_format', 'verbose_json'],
      ['timestamp_granularities[]', 'segment'],
      ['timestamp_granularities[]', 'word'],
      ['language', 'en'],
      ['prompt', 'Austen'],
      ['hotwords', 'Elinor'],
      ['temperature', '0'],
    ])
    const { size } = await stat(CLIPS.jfk.file)
    assert.ok(one.bytes > size && one.bytes < size + 2000)
  })

  it('asks for translations where they are made', async () => {
    const { url, asked } = await openaiServer((_, answer) =>
      answer(200, documented('openai-verbose.json')),
    )
    const options = { ...OPTIONS, language: 'de', task: 'translate' as const }
    await (await engineFor({ url, model: 'm' })).transcribe(await requestFor(folder, { options }))
    assert.equal(asked[0]?.path, '/v1/audio/translations')
    assert.deepEqual(
      asked[0].fields.map(([name]) => name),
      ['model', 'response_format', 'temperature'],
    )
  })

  it('takes text alone from a server that gives no more, and asks for no more again', async () => {
    const { url, asked } = await openaiServer(({ fields }, answer) =>
      fields.some(([, value]) => value === 'verbose_json')
        ? answer(400, documented('error-form.json'))
        : answer(200, documented('only-text.json')),
    )
    const engine = await engineFor({ url, model: 'gpt-4o-transcribe' })
    for (let piece = 0; piece < 2; piece++) {
      const { segments, warnings } = await engine.transcribe(await requestFor(folder))
      assert.deepEqual(
        segments.map(({ start, end }) => [start, end]),
        [[0.3, 10.4]],
      )
      assert.match(warnings[0] ?? '', /Times are estimated .* gives no timestamps/)
    }
    assert.equal(asked.length, 4)
  })

  it('waits for a server that has too much to do', async () => {
    let busy = 2
    const { url, asked } = await openaiServer((_, answer) =>
      busy-- > 0
        ? answer(429, '{"error":{"message":"Rate limit reached"}}', { 'retry-after': '0.2' })
        : answer(200, documented('openai-verbose.json')),
    )
    const from = performance.now()
    const { segments } = await impatient(url).transcribe(await requestFor(folder))
    assert.equal(segments.length, 2)
    assert.equal(asked.length, 3)
    assert.ok(performance.now() - from >= 390)
  })

  it('gives up on a server that stays busy', async () => {
    const { url, asked } = await openaiServer((_, answer) => answer(503, 'overloaded'))
    await assert.rejects(
      impatient(url).transcribe(await requestFor(folder)),
      (error) => code('engine_failed')(error) && /503: overloaded/.test(String(error)),
    )
    assert.equal(asked.length, 5)
  })

  const failures: [number, string | Buffer, ErrorCode][] = [
    [401, documented('error-key.json'), 'engine_failed'],
    [404, documented('error-model.json'), 'model_missing'],
    [413, 'Payload Too Large', 'engine_failed'],
    [500, 'CUDA failed with error out of memory', 'gpu_out_of_memory'],
    [200, '{"text":', 'engine_failed'],
  ]
  for (const [status, body, expected] of failures) {
    it(`is ${expected} after ${status} and ${body.toString().slice(0, 20)}`, async () => {
      const { url, asked } = await openaiServer((_, answer) => answer(status, body))
      await assert.rejects(impatient(url).transcribe(await requestFor(folder)), code(expected))
      assert.equal(asked.length, 1)
    })
  }

  it('goes on with a smaller model that fits into the memory, for the next piece as well', async () => {
    const { url, asked } = await openaiServer(({ fields }, answer) =>
      fields.some(([name, value]) => name === 'model' && value === 'medium')
        ? answer(500, 'CUDA failed with error out of memory')
        : answer(200, documented('openai-verbose.json')),
    )
    const onOutOfMemory = { smallerModel: true, cpu: false }
    const settings = { ...engineSettings(folder), url, onOutOfMemory }
    const engine = new OpenaiEngine(settings, { ...info, model: 'medium' }, ['medium', 'small'])
    const first = await engine.transcribe(await requestFor(folder))
    assert.match(first.warnings.join(), /'small' in place of 'medium'/)
    assert.equal(asked.length, 2)
    const second = await engine.transcribe(await requestFor(folder))
    assert.deepEqual(second.warnings, first.warnings)
    assert.equal(asked.length, 3)
  })

  it('is engine_missing without an answer, and engine_failed when the connection is cut', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}/v1`
    await assert.rejects(
      impatient(nobody).transcribe(await requestFor(folder)),
      (error) => code('engine_missing')(error) && String(error).includes(nobody),
    )
    await assert.rejects(
      impatient(nobody).prepare({ index: 0, gpu: null }, signal),
      code('engine_missing'),
    )
    const { url } = await openaiServer((_asked, _answer, response) => response.destroy())
    await assert.rejects(impatient(url).transcribe(await requestFor(folder)), code('engine_failed'))
  })

  it('hangs up when it is cancelled', async () => {
    const stop = new AbortController()
    const reason = new Error('cancelled')
    let hungUp: Promise<void> | undefined
    const { url } = await openaiServer((_asked, _answer, response) => {
      hungUp = new Promise((resolve) => response.once('close', resolve))
      stop.abort(reason)
    })
    const request = await requestFor(folder, { signal: stop.signal })
    await assert.rejects(impatient(url).transcribe(request), reason)
    await hungUp
  })
})

describe('openai-api on a server that it starts', () => {
  /** The replay of whisper-server; the model's name says what happens. */
  async function started(model: string, port = '{port}') {
    const dir = await mkdtemp(path.join(folder, 'server-'))
    const file = path.join(dir, `ggml-${model}.bin`)
    await writeFile(file, '')
    const program = await installReplay(path.join(folder, 'bin'), 'whisper-server')
    const rest = ['--host', '127.0.0.1', '--inference-path', '/v1/audio/transcriptions']
    const command = [program, '-m', file, '--port', port, ...rest]
    const pids = async (): Promise<number[]> =>
      [
        ...(await readFile(path.join(dir, 'server.ndjson'), 'utf8')).matchAll(
          /"(?:started|helper)":(\d+)/g,
        ),
      ].map(([, pid]) => Number(pid))
    return { command, pids }
  }

  it('keeps it for the next piece, and ends it when it is closed', async () => {
    const { command, pids } = await started('base')
    const engine = await engineFor({ command })
    await engine.prepare({ index: 0, gpu: null }, signal)
    for (let piece = 0; piece < 2; piece++) {
      const { segments } = await engine.transcribe(await requestFor(folder))
      assert.equal(wordErrors(CLIPS.jfk.text, segments[0]?.text ?? '').errors, 0)
      assert.equal(segments[0]?.words?.length, 22)
    }
    await engine.close()
    assert.equal((await pids()).length, 2)
    for (const pid of await pids()) await gone(pid)
  })

  it('loses one piece with it when it dies', async () => {
    const { command, pids } = await started('crash-second')
    const engine = await engineFor({ command })
    await engine.transcribe(await requestFor(folder))
    await assert.rejects(engine.transcribe(await requestFor(folder)), code('engine_failed'))
    assert.equal((await engine.transcribe(await requestFor(folder))).segments.length, 1)
    await engine.close()
    for (const pid of await pids()) await gone(pid)
  })

  it('is one for all slots when its command has no place for a port', async () => {
    const port = await freePort()
    const { command, pids } = await started('base', String(port))
    const engine = await engineFor({ command, url: `http://127.0.0.1:${port}` })
    const slots = [0, 1].map((index) => ({ index, gpu: null }))
    const pieces = await Promise.all(slots.map((slot) => requestFor(folder, { slot })))
    await Promise.all(pieces.map((piece) => engine.transcribe(piece)))
    assert.equal((await pids()).length, 2)
    await engine.close()
  })

  it('is ended when a piece is cancelled', async () => {
    const { command, pids } = await started('hang')
    const engine = await engineFor({ command })
    await engine.prepare({ index: 0, gpu: null }, signal)
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const request = await requestFor(folder, { signal: stop.signal })
    const heard = engine.transcribe(request)
    setImmediate(() => stop.abort(reason))
    await assert.rejects(heard, reason)
    await engine.close()
    for (const pid of await pids()) await gone(pid)
  })

  it('says why it does not start', async () => {
    const { command } = await started('cut')
    await assert.rejects(
      (await engineFor({ command })).prepare({ index: 0, gpu: null }, signal),
      (error) => code('engine_failed')(error) && /failed to initialize/.test(String(error)),
    )
    const memory = await started('medium')
    await assert.rejects(
      (await engineFor({ command: memory.command })).prepare({ index: 0, gpu: null }, signal),
      code('gpu_out_of_memory'),
    )
  })
})

describe('what is found of openai-api', () => {
  const probe = async (more: Partial<EngineSettings>) =>
    await openaiApi.probe({ ...engineSettings(folder), ...more }, signal)

  it('is a server that answers, with the models that recognise speech', async () => {
    const { url } = await openaiServer(() => undefined)
    const found = await probe({ url, model: 'own' })
    assert.equal(found.usable, true)
    assert.equal(found.model, 'own')
    assert.deepEqual(found.models, ['own', 'Systran/faster-whisper-small'])
  })

  it('is nothing without an address, with a wrong one, and without an answer', async () => {
    const bad: [Partial<EngineSettings>, RegExp][] = [
      [{}, /--engine-url/],
      [{ url: 'gpu' }, /'gpu' is not the address/],
      [{ url: `http://127.0.0.1:${await freePort()}/v1` }, /No server answers/],
      [{ command: ['/nowhere/x', '{port}'] }, /no program '\/nowhere\/x'/],
      [{ command: ['node'] }, /no \{port\}/],
      [{ command: ['node', '{port}'], url: 'http://127.0.0.1:9' }, /no place for it/],
    ]
    for (const [settings, why] of bad) {
      const found = await probe(settings)
      assert.equal(found.usable, false)
      assert.match(found.why, why)
      assert.throws(
        () => openaiApi.create({ ...engineSettings(folder), ...settings }, found),
        AppError,
      )
    }
  })
})
