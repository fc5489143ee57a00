import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { z } from 'zod'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { whisperCpp } from '../../agent/engines/whisper-cpp/definition.ts'
import {
  inferenceFields,
  parseDetection,
  parseInference,
} from '../../agent/engines/whisper-cpp/wire.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { CLIPS, gone, until } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { installReplay } from './replay/install.ts'

const folder = tempFolder()
const program = await installReplay(path.join(folder, 'bin'), 'whisper-server')
const { signal } = new AbortController()
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected
const recorded = async (name: string): Promise<Buffer> =>
  await readFile(new URL(`recorded/whisper-cpp/${name}`, import.meta.url))

const call = z.object({
  scenario: z.string(),
  started: z.number().optional(),
  helper: z.number().optional(),
  visible: z.string().optional(),
  args: z.array(z.string()).optional(),
  fields: z.record(z.string(), z.string()).optional(),
})

interface Setup {
  engine: Engine
  /** What the replay wrote down: each start, each request. */
  calls: () => Promise<z.output<typeof call>[]>
  request: (more?: Parameters<typeof requestFor>[1]) => ReturnType<typeof requestFor>
}

/** An engine on the replay of whisper-server; the name of the first model says what happens. */
async function setUp(models: string[], more: Partial<EngineSettings> = {}): Promise<Setup> {
  const modelsDir = await mkdtemp(path.join(folder, 'models-'))
  for (const model of models) await writeFile(path.join(modelsDir, `ggml-${model}.bin`), '')
  const settings = engineSettings(modelsDir, { program, model: models[0] ?? null, ...more })
  const engine = whisperCpp.create(settings, await whisperCpp.probe(settings, signal))
  after(() => engine.close())
  return {
    engine,
    async calls() {
      const lines = (await readFile(path.join(modelsDir, 'server.ndjson'), 'utf8')).split('\n')
      return lines.filter((line) => line !== '').map((line) => call.parse(JSON.parse(line)))
    },
    request: (extra) => requestFor(modelsDir, extra),
  }
}

const starts = async ({ calls }: Setup) =>
  (await calls()).filter(({ started }) => started !== undefined)

async function allGone(setup: Setup): Promise<void> {
  for (const { started, helper } of await starts(setup)) {
    await gone(started ?? 0)
    await gone(helper ?? 0)
  }
}

describe('whisper-cpp with whisper-server', () => {
  it('loads its model once for all pieces of a slot, and ends it when it is closed', async () => {
    const setup = await setUp(['base'])
    const { engine, request } = setup
    await engine.prepare({ index: 0, gpu: null }, signal)
    const seen: number[] = []
    const onProgress = (seconds: number): void => void seen.push(seconds)
    for (let piece = 0; piece < 3; piece++) {
      const heard = await engine.transcribe(await request({ onProgress }))
      assert.equal(wordErrors(CLIPS.jfk.text, heard.segments[0]?.text ?? '').errors, 0)
      assert.equal(heard.language, 'en')
      assert.equal(heard.languageProbability, 0.958404)
      assert.deepEqual(heard.warnings, [])
    }
    assert.deepEqual(seen, [5.5, 5.5, 5.5])
    assert.equal((await starts(setup)).length, 1)
    await engine.close()
    await allGone(setup)
    await engine.transcribe(await request())
    assert.equal((await starts(setup)).length, 2)
    await engine.close()
  })

  it('has a server for each slot, each seeing its own GPU', async () => {
    const setup = await setUp(['gpu'], { device: { kind: 'cuda', name: 'GPU' } })
    const slots = [
      { index: 0, gpu: 'GPU-a' },
      { index: 1, gpu: 'GPU-b' },
    ]
    const pieces = await Promise.all(slots.map((slot) => setup.request({ slot })))
    await Promise.all(pieces.map((piece) => setup.engine.transcribe(piece)))
    const started = await starts(setup)
    assert.deepEqual(
      started.map(({ visible = '' }) => visible).toSorted((a, b) => (a < b ? -1 : 1)),
      ['GPU-a', 'GPU-b'],
    )
    assert.equal(new Set(started.map(({ args = [] }) => args[args.indexOf('--port') + 1])).size, 2)
    assert.ok(started.every(({ args = [] }) => !args.includes('-ng')))
    await setup.engine.close()
  })

  it('loads another model in place of the usual one when a job asks for it', async () => {
    const setup = await setUp(['base', 'silent'])
    assert.equal((await setup.engine.transcribe(await setup.request())).segments.length, 1)
    const other = await setup.request({ options: { ...OPTIONS, model: 'silent' } })
    assert.deepEqual((await setup.engine.transcribe(other)).segments, [])
    const [first, second] = await starts(setup)
    assert.deepEqual([first?.scenario, second?.scenario], ['base', 'silent'])
    await gone(first?.started ?? 0)
    await setup.engine.close()
  })

  it('loads the model that a job asks for once, for its language and its text', async () => {
    const setup = await setUp(['base', 'small'])
    const slot = { index: 0, gpu: null }
    const piece = await setup.request({ options: { ...OPTIONS, model: 'small' } })
    await setup.engine.prepare(slot, signal, 'small')
    await setup.engine.detect?.([piece], 'small')
    await setup.engine.transcribe(piece)
    assert.deepEqual(
      (await starts(setup)).map(({ scenario }) => scenario),
      ['small'],
    )
    await setup.engine.close()
  })

  it('tells the languages of pieces', async () => {
    const { engine, request } = await setUp(['base'])
    assert.deepEqual(await engine.detect?.([await request(), await request()]), [
      { language: 'en', probability: 0.9995295405387878 },
      { language: 'en', probability: 0.9995295405387878 },
    ])
    await engine.close()
  })

  it('loses one piece with a server that dies, and starts another for the next', async () => {
    const setup = await setUp(['crash-second'])
    await setup.engine.transcribe(await setup.request())
    await assert.rejects(
      setup.engine.transcribe(await setup.request()),
      (error) => code('engine_failed')(error) && /SIGABRT.*GGML_ASSERT/.test(String(error)),
    )
    assert.equal((await setup.engine.transcribe(await setup.request())).segments.length, 1)
    assert.equal((await starts(setup)).length, 2)
    await setup.engine.close()
    await allGone(setup)
  })

  const failures: [string, string, ErrorCode][] = [
    ['cut', 'half a model', 'model_missing'],
    ['medium', 'too little memory for the model', 'gpu_out_of_memory'],
    ['oom', 'too little memory for a piece', 'gpu_out_of_memory'],
    ['refuse', 'audio that is refused', 'engine_failed'],
    ['half', 'half an answer', 'engine_failed'],
  ]
  for (const [model, what, expected] of failures) {
    it(`is ${expected} after ${what}`, async () => {
      const setup = await setUp([model])
      await assert.rejects(setup.engine.transcribe(await setup.request()), code(expected))
      await setup.engine.close()
      await allGone(setup)
    })
  }

  it('stays with the smaller model that fits, and says so each time', async () => {
    const setup = await setUp(['medium', 'small'], {
      device: { kind: 'cuda', name: 'GPU' },
      onOutOfMemory: { smallerModel: true, cpu: false },
    })
    const slot = { index: 0, gpu: 'GPU-a' }
    await setup.engine.prepare(slot, signal)
    for (let piece = 0; piece < 2; piece++) {
      const { warnings } = await setup.engine.transcribe(await setup.request({ slot }))
      assert.equal(warnings.length, 2)
      assert.match(warnings[0] ?? '', /'small' in place of 'medium'/)
      assert.match(warnings[1] ?? '', /found no GPU/)
    }
    assert.deepEqual(
      (await starts(setup)).map(({ scenario }) => scenario),
      ['medium', 'small'],
    )
    await setup.engine.close()
  })

  it('ends its server when a piece is cancelled, and has another for the next', async () => {
    const setup = await setUp(['hang', 'base'])
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const onProgress = (): void => stop.abort(reason)
    const piece = await setup.request({ signal: stop.signal, onProgress })
    await assert.rejects(setup.engine.transcribe(piece), reason)
    await allGone(setup)
    const next = await setup.request({ options: { ...OPTIONS, model: 'base' } })
    assert.equal((await setup.engine.transcribe(next)).segments.length, 1)
    await setup.engine.close()
  })

  it('ends a piece as cancelled when it is closed', async () => {
    const setup = await setUp(['hang'])
    const onProgress = (): void => void setup.engine.close()
    const piece = await setup.request({ onProgress })
    await assert.rejects(setup.engine.transcribe(piece), code('cancelled'))
    await allGone(setup)
  })

  it('can be cancelled while it loads its model', async () => {
    const setup = await setUp(['slow'])
    const stop = new AbortController()
    const preparing = setup.engine.prepare({ index: 0, gpu: null }, stop.signal)
    const reason = new Error('cancelled')
    await until(async () => (await starts(setup).catch(() => [])).length > 0, preparing)
    stop.abort(reason)
    await assert.rejects(preparing, reason)
    await allGone(setup)
  })
})

describe('what whisper-server is asked', () => {
  it('is a beam search without the text before, in whole sentences', () => {
    const fields = Object.fromEntries(inferenceFields({ ...OPTIONS, language: 'german' }, false))
    assert.deepEqual(
      [fields['language'], fields['max_context'], fields['beam_size'], fields['max_len']],
      ['de', '0', '5', '10000'],
    )
    assert.equal(fields['prompt'], undefined)
    assert.throws(
      () => inferenceFields({ ...OPTIONS, language: 'tlh' }, false),
      code('unsupported_language'),
    )
  })

  it('carries prompt and hotwords, but not in a second try', () => {
    const options = { ...OPTIONS, prompt: 'Austen', hotwords: 'Elinor', task: 'translate' as const }
    const fields = Object.fromEntries(inferenceFields(options, false))
    assert.equal(fields['prompt'], 'Austen Elinor')
    assert.equal(fields['translate'], 'true')
    const second = Object.fromEntries(inferenceFields(options, true))
    assert.equal(second['prompt'], undefined)
    assert.equal(second['temperature'], '0.4')
  })
})

describe('what whisper-server answers', () => {
  it('is read as segments, words and a language', async () => {
    const heard = parseInference(await recorded('server-jfk.json'), '', 11)
    assert.equal(heard.language, 'en')
    assert.equal(heard.languageProbability, undefined)
    const [segment] = heard.segments
    assert.equal(segment?.words?.map(({ text }) => text).join(' '), segment?.text)
    assert.ok((segment?.avgLogprob ?? 0) < 0)
    assert.ok((segment?.noSpeechProb ?? 1) < 0.6)
  })

  it('is the language alone when that was asked', async () => {
    const answer = JSON.stringify({
      ...JSON.parse((await recorded('server-detect.json')).toString()),
      language_probabilities: { en: 0.9, de: 0.06, jw: 0.03 },
    })
    const among = (languages: string[]) => parseDetection(Buffer.from(answer), languages)
    assert.deepEqual(among(['de', 'fr']), { language: 'de', probability: 1 })
    assert.deepEqual(among(['de', 'jv'])?.language, 'de')
    assert.equal(among(['fr']), null)
    assert.deepEqual(parseDetection(await recorded('server-detect.json')), {
      language: 'en',
      probability: 0.9995295405387878,
    })
  })

  it('is refused when it is something else', () => {
    for (const body of ['', 'Invalid request', '{"text":"hello"}']) {
      assert.throws(() => parseInference(Buffer.from(body), '', 11), code('engine_failed'))
    }
  })
})
