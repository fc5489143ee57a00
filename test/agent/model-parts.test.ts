import assert from 'node:assert/strict'
import { mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { LineReporter } from '../../agent/progress/line-reporter.ts'
import { MODELS, modelNamed, pullable } from '../../agent/models/catalogue.ts'
import { modelSource } from '../../agent/models/config.ts'
import { pulledSpeakerModels } from '../../agent/models/speaker-models.ts'
import { SPEAKER_MODELS } from '../../agent/models/sherpa-models.ts'
import { installedModels } from '../../agent/models/installed.ts'
import { ctranslate2Dir, ggmlFile, placeOf, sherpaFile } from '../../agent/models/places.ts'
import { longPull, PullProgress } from '../../agent/models/pull-progress.ts'
import { Rate, sizeText, transferText } from '../../agent/models/transfer-text.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

describe('the catalogue', () => {
  it('has each name once, and a place of its own for each', () => {
    assert.equal(new Set(MODELS.map(({ name }) => name)).size, MODELS.length)
    assert.equal(new Set(MODELS.map((model) => placeOf(model, '/m'))).size, MODELS.length)
  })

  it('has a digest for every single file but those published without, and files under their own names', () => {
    for (const model of MODELS) {
      if (model.kind === 'npm' || model.kind === 'wheel' || model.kind === 'ctranslate2') continue
      const [file] = model.files
      // A folder of files.
      if (model.kind !== 'parakeet')
        assert.equal(file?.name, path.basename(placeOf(model, '/m')), model.name)
      // Recorded at the first pull.
      if (model.kind === 'gguf' || model.name === SPEAKER_MODELS.embedding) continue
      const length = file?.digest?.algorithm === 'sha1' ? 40 : 64
      assert.match(file?.digest?.hex ?? '', new RegExp(`^[0-9a-f]{${length}}$`), model.name)
    }
  })

  it('puts models where engines look for them', () => {
    assert.equal(ggmlFile('/m', 'base.en'), '/m/ggml/ggml-base.en.bin')
    assert.equal(ctranslate2Dir('/m', 'large-v3'), '/m/ctranslate2/large-v3')
    assert.equal(sherpaFile('/m', 'titanet-small'), '/m/sherpa/titanet-small.onnx')
    assert.equal(placeOf(modelNamed('moonshine-tiny'), '/m'), '/m/moonshine-tiny')
    assert.equal(placeOf(modelNamed('ggml/large-v3'), '/m'), '/m/ggml/ggml-large-v3.bin')
    assert.equal(placeOf(modelNamed('gguf/my-F16'), '/m'), '/m/gguf/my-F16.gguf')
  })

  it('has two models that tell speakers apart, used once both are there', async () => {
    const dir = await mkdtemp(path.join(folder, 'speakers-'))
    await mkdir(path.join(dir, 'sherpa'))
    const segmentation = path.join(dir, 'sherpa', 'pyannote-segmentation-3.0.onnx')
    const embedding = path.join(dir, 'sherpa', 'campplus-zh-en.onnx')
    assert.equal(await pulledSpeakerModels(dir), null)
    await writeFile(segmentation, 'a')
    assert.equal(await pulledSpeakerModels(dir), null)
    await writeFile(embedding, 'b')
    assert.deepEqual(await pulledSpeakerModels(dir), { segmentation, embedding })
  })

  it('lets no name lead out of the folder of models', () => {
    for (const name of [
      'ggml/../x',
      'gguf/../x',
      'ctranslate2/..',
      'ggml/',
      'ggml/a/b',
      '',
      'npm/x',
      'ggml/.x',
    ])
      assert.throws(() => modelNamed(name), { code: 'usage' }, name)
    assert.equal(modelNamed('ggml/my.own-1').description, 'copied here by hand')
    assert.throws(() => pullable('ggml/my.own-1'), { code: 'usage' })
  })
})

describe('installedModels', () => {
  it('names Whisper models, also copied and linked ones, and nothing else', async () => {
    const dir = await mkdtemp(path.join(folder, 'models-'))
    const put = async (name: string): Promise<void> => {
      await mkdir(path.dirname(path.join(dir, name)), { recursive: true })
      await writeFile(path.join(dir, name), 'x')
    }
    for (const name of [
      'ggml/ggml-small.bin',
      'ggml/ggml-my-own.bin',
      'ggml/ggml-silero-v6.2.0.bin',
      'ggml/.ggml-tiny.bin.part/ggml-tiny.bin.part',
      'ggml/readme.txt',
      'gguf/my-Q8_0.gguf',
      'gguf/.my-F16.gguf.part/my-F16.gguf',
      'gguf/my-Q8_0.gguf.sha256',
      'ctranslate2/large-v3/model.bin',
      'ctranslate2/large-v3/config.json',
      'ctranslate2/half/config.json',
      'ctranslate2/.base.part/ready/model.bin',
      'elsewhere.bin',
    ])
      await put(name)
    await symlink(path.join(dir, 'elsewhere.bin'), path.join(dir, 'ggml', 'ggml-linked.bin'))
    await symlink(path.join(dir, 'nowhere.bin'), path.join(dir, 'ggml', 'ggml-broken.bin'))
    assert.deepEqual(await installedModels(dir), {
      ggml: ['linked', 'my-own', 'small'],
      gguf: ['my-Q8_0'],
      ctranslate2: ['large-v3'],
    })
  })

  it('finds none where there is no folder', async () => {
    assert.deepEqual(await installedModels(path.join(folder, 'nowhere')), {
      ggml: [],
      gguf: [],
      ctranslate2: [],
    })
  })
})

describe('how a download goes', () => {
  it('is printed in bytes, percent, speed and time left', () => {
    assert.equal(
      transferText(12_300_000, 147_900_000, 5_100_000),
      '12.3 MB of 147.9 MB, 8 %, 5.1 MB/s, 27s left',
    )
    assert.equal(transferText(4_200, null, null), '5 kB')
    assert.equal(transferText(0, 0, null), '0 kB of 0 kB')
    assert.deepEqual([999_499, 999_500, 999_949_999, 3_090_000_000].map(sizeText), [
      '1000 kB',
      '1.0 MB',
      '999.9 MB',
      '3.1 GB',
    ])
  })

  it('has the speed of its last seconds', () => {
    const rate = new Rate()
    assert.equal(rate.add(0, 0), null)
    assert.equal(rate.add(1_000, 100), null)
    assert.equal(rate.add(10_000, 1_000), 10_000)
    for (let s = 2; s <= 20; s++) rate.add(10_000 + s * 100, s * 1_000)
    assert.equal(rate.add(10_000 + 2_100, 21_000), 100)
  })

  it('makes a line at each tenth where nothing can be drawn', () => {
    const lines: string[] = []
    const stream = { write: (text: string) => lines.push(text) }
    const reporter = new LineReporter({ level: 'info', times: false, stream })
    const progress = new PullProgress('ggml/base', reporter)
    for (let i = 0; i <= 100; i++) progress.update('ggml-base.bin', i * 1e6, 100e6, i * 1_000)
    assert.equal(lines.length, 10)
    assert.equal(
      lines[4],
      'ggml/base: ggml-base.bin, 50.0 MB of 100.0 MB, 50 %, 1.0 MB/s, 50s left\n',
    )
  })
})

describe('modelSource', () => {
  const withEnv = (env: Record<string, string>, flags: Record<string, unknown> = {}) => {
    const names = ['MORAG_MODELS_MIRROR', 'MORAG_OFFLINE', 'HF_TOKEN']
    const saved = names.map((name) => [name, process.env[name]] as const)
    for (const name of names) delete process.env[name]
    Object.assign(process.env, env)
    try {
      return modelSource(flags)
    } finally {
      for (const [name, value] of saved) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    }
  }

  it('is what the flags say, then the environment', () => {
    assert.deepEqual(withEnv({}), { mirror: null, offline: false, token: null })
    const env = {
      MORAG_MODELS_MIRROR: 'https://m.example/hf/',
      MORAG_OFFLINE: 'yes',
      HF_TOKEN: 't',
    }
    assert.deepEqual(withEnv(env), { mirror: 'https://m.example/hf', offline: true, token: 't' })
    assert.equal(withEnv(env, { mirror: 'http://other' }).mirror, 'http://other')
    assert.equal(withEnv({ MORAG_OFFLINE: '0' }).offline, false)
    assert.equal(withEnv({ MORAG_OFFLINE: '0' }, { offline: true }).offline, true)
  })

  it('is refused when it cannot be meant', () => {
    for (const env of [{ MORAG_OFFLINE: 'perhaps' }, { MORAG_MODELS_MIRROR: 'https://a:b@c' }])
      assert.throws(() => withEnv(env), { code: 'usage' })
  })
})

describe('a download that was not asked for', () => {
  it('tells how far it is each ten seconds', () => {
    let now = 0
    const told: string[] = []
    const onBytes = longPull(
      (text) => told.push(text),
      () => now,
    )
    for (now = 0; now < 25_000; now += 1000) onBytes('ffmpeg', now * 1000, 68_000_000)
    assert.deepEqual(told, ['ffmpeg: 10.0 MB of 68.0 MB, 14 %', 'ffmpeg: 20.0 MB of 68.0 MB, 29 %'])
  })
})
