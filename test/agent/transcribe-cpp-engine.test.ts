import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { chooseEngine } from '../../agent/engines/registry.ts'
import { labelSpeakers } from '../../agent/diarization/label-speakers.ts'
import { transcribeCpp } from '../../agent/engines/transcribe-cpp/definition.ts'
import { findLibrary } from '../../agent/engines/transcribe-cpp/library.ts'
import { sortformerDiarizer } from '../../agent/engines/transcribe-cpp/sortformer.ts'
import { Slots, type Slot } from '../../agent/gpu/slots.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const signal = new AbortController().signal
/** The stand-in for the npm package. */
const program = fileURLToPath(new URL('replay/transcribe-cpp', import.meta.url))
const GPU: Slot = { index: 0, gpu: '0', kind: 'rocm' }
const recording = await makeSilence(folder, 120)
const engines: Engine[] = []
after(async () => await Promise.all(engines.map((engine) => engine.close())))

async function settingsFor(
  does: object,
  more: Partial<EngineSettings> = {},
): Promise<EngineSettings> {
  const model = path.join(await mkdtemp(path.join(folder, 'model-')), 'model.gguf')
  await writeFile(model, JSON.stringify(does))
  return engineSettings(folder, {
    program,
    model,
    device: { kind: 'rocm', name: 'a GPU' },
    ...more,
  })
}

async function engineFor(does: object, more: Partial<EngineSettings> = {}): Promise<Engine> {
  const settings = await settingsFor(does, more)
  const engine = transcribeCpp.create(settings, await transcribeCpp.probe(settings, signal))
  engines.push(engine)
  return engine
}

/** Speech in windows: each span is one. */
const speech = Array.from({ length: 4 }, (_, n) => ({ start: n * 30, end: n * 30 + 20 }))

async function texts(engine: Engine, change: Partial<typeof OPTIONS> = {}) {
  const request = await requestFor(folder, {
    wavPath: recording,
    slot: GPU,
    durationSeconds: 120,
    speech,
    options: { ...OPTIONS, words: false, ...change },
  })
  const { segments, ...rest } = await engine.transcribe(request)
  return { ...rest, segments, said: [...new Set(segments.map(({ text }) => text))] }
}

describe('transcribe-cpp on a GPU (a stand-in for the package)', () => {
  it('does a part whose process crashes on the CPU, says so, and the next on the GPU again', async () => {
    const engine = await engineFor({ onGpu: { run: 'abort' } })
    for (const _ of [1, 2]) {
      const { said, warnings } = await texts(engine)
      assert.deepEqual(said, ['by the CPU'])
      assert.equal(warnings.length, 1)
      assert.match(
        warnings[0]!,
        /^The process of the engine transcribe-cpp ended \(SIGABRT\).*GGML_ASSERT.* It was started again on the CPU for this part\.$/,
      )
    }
  })

  it('does so when the model crashes as it is loaded', async () => {
    const engine = await engineFor({ onGpu: { load: 'abort' } })
    assert.deepEqual((await texts(engine)).said, ['by the CPU'])
  })

  it('runs on the CPU where the library finds no GPU, and says so', async () => {
    process.env['GGML_STAND_IN_GPUS'] = '0'
    try {
      const { said, warnings } = await texts(await engineFor({}))
      assert.deepEqual(said, ['by the CPU'])
      assert.deepEqual(warnings, [
        'transcribe-cpp found no GPU that it can use: it ran on the CPU.',
      ])
    } finally {
      delete process.env['GGML_STAND_IN_GPUS']
    }
  })

  it('halves the batch while the memory is too small, then takes the CPU', async () => {
    const half = await texts(await engineFor({ onGpu: { most: 2 } }, { batchSize: 4 }))
    assert.deepEqual(half.said, ['by the Vulkan0'])
    assert.deepEqual(half.warnings, ['The GPU was out of memory: went on with batches of 2.'])
    const cpu = await texts(
      await engineFor(
        { onGpu: { load: 'memory' } },
        { batchSize: 2, onOutOfMemory: { smallerModel: false, cpu: true } },
      ),
    )
    assert.deepEqual(cpu.said, ['by the CPU'])
    assert.equal(cpu.warnings.at(-1), 'The GPU was out of memory: went on on the CPU.')
  })

  it('takes the language that a model assumes, and words with their probability', async () => {
    const { language, warnings, segments } = await texts(
      await engineFor({ detects: false, times: 'word' }),
      { words: true },
    )
    assert.equal(language, 'en')
    assert.match(warnings[0]!, /cannot detect the language: en was assumed/)
    assert.deepEqual(
      segments[0]?.words?.map(({ text }) => text),
      ['by', 'the', 'Vulkan0'],
    )
    assert.equal(segments[0]?.words?.[0]?.probability, 0.5)
    assert.equal(segments[0]?.avgLogprob, Math.log(0.5))
  })

  it('gives the text of a model without times to the speech of each window', async () => {
    const { segments, language } = await texts(await engineFor({ times: 'none' }))
    assert.equal(language, 'de')
    assert.deepEqual(
      segments.map(({ start, end }) => ({ start, end })),
      speech,
    )
  })
})

describe('its Sortformer (a stand-in for the package)', () => {
  const SEGMENTS = [
    { start: 0, end: 4, text: 'How are you?' },
    { start: 4.5, end: 9, text: 'Fine, thank you.' },
  ]
  /** Speaker by speaker, with short gaps, as the library gives them. */
  const SPEAKERS = [
    [80, 1920, 1],
    [2080, 4080, 1],
    [4400, 9200, 2],
  ]

  async function labelled(
    does: object,
    min: number | null = null,
    models: { segmentation: string; embedding: string } | null = null,
  ) {
    const file = path.join(await mkdtemp(path.join(folder, 'model-')), 'sortformer.gguf')
    await writeFile(file, JSON.stringify(does))
    const { segments, warnings } = await labelSpeakers(SEGMENTS, {
      settings: {
        always: true,
        prefix: 'Speaker_',
        models,
        command: null,
        sortformer: sortformerDiarizer({ library: findLibrary(program)!, file, threads: null }),
      },
      wavPath: recording,
      count: { min, max: null },
      workDir: folder,
      slots: new Slots([GPU]),
      signal,
      report() {},
    })
    return { speakers: segments.map(({ speaker }) => speaker), warnings }
  }

  it('labels segments, and says that it takes no number of speakers', async () => {
    const speakers = ['Speaker_00', 'Speaker_01']
    assert.deepEqual(await labelled({ speakers: SPEAKERS }), { speakers, warnings: [] })
    const counted = await labelled({ speakers: SPEAKERS }, 2)
    assert.deepEqual(counted.speakers, speakers)
    assert.match(counted.warnings[0]!, /'min_speakers' and 'max_speakers' were ignored/)
  })

  it('runs on the CPU where the GPU fails', async () => {
    for (const onGpu of [{ load: 'memory' }, { run: 'abort' }]) {
      const { speakers, warnings } = await labelled({ speakers: SPEAKERS, onGpu })
      assert.deepEqual([speakers, warnings], [['Speaker_00', 'Speaker_01'], []])
    }
  })

  it('costs the labels and not the text where its model is another, and says where it finds nobody', async () => {
    const none = [undefined, undefined]
    const other = await labelled({})
    assert.deepEqual(other.speakers, none)
    assert.match(other.warnings[0]!, /^Diarization failed: .*its model is no Sortformer/)
    const nobody = await labelled({ speakers: [] })
    assert.deepEqual(nobody.speakers, none)
    assert.match(nobody.warnings[0]!, /found no speaker/)
  })

  it('leaves what it cannot do to the two models, where they are there', async () => {
    const models = { segmentation: path.join(folder, 'no-such.onnx'), embedding: 'neither.onnx' }
    const { warnings } = await labelled({}, null, models)
    assert.match(warnings[0]!, /no-such\.onnx/)
  })

  it('is no engine, though its model lies with those of the engine', async () => {
    const modelsDir = await mkdtemp(path.join(folder, 'models-'))
    await mkdir(path.join(modelsDir, 'gguf'))
    await writeFile(
      path.join(modelsDir, 'gguf', 'diar_streaming_sortformer_4spk-v2.1-Q8_0.gguf'),
      '',
    )
    const settings = engineSettings(modelsDir, { program, model: null, modelsDir })
    assert.deepEqual((await transcribeCpp.probe(settings, signal)).models, [])
  })
})

describe('the choice of transcribe-cpp', () => {
  it('falls on it where there is a GPU and nothing else for it, with the reason', async () => {
    const settings = await settingsFor({})
    const { engine, why, better } = await chooseEngine('auto', settings, signal)
    assert.equal(engine.info.name, 'transcribe-cpp')
    assert.match(why, /transcribe-cpp 0\.2\.3 uses Stand-in GPU by vulkan; its model .* is here/)
    assert.match(better ?? '', /^No other engine for the GPU is here: .*pipx install/)
  })
})
