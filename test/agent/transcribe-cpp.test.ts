import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deviceFor } from '../../agent/engines/transcribe-cpp/device.ts'
import { failureOf } from '../../agent/engines/transcribe-cpp/failure.ts'
import { languageOf } from '../../agent/engines/transcribe-cpp/languages.ts'
import {
  findLibrary,
  missingLibrary,
  type BackendDevice,
} from '../../agent/engines/transcribe-cpp/library.ts'
import { missedSpeech } from '../../agent/engines/transcribe-cpp/missed.ts'
import { abilitiesOf, fileOf, usualModel } from '../../agent/engines/transcribe-cpp/model-file.ts'
import { pciAddress } from '../../agent/gpu/pci-address.ts'
import { installedModels } from '../../agent/models/installed.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

function device(change: Partial<BackendDevice>): BackendDevice {
  return {
    name: 'Vulkan0',
    description: 'a GPU',
    kind: 'vulkan',
    deviceType: 'gpu',
    deviceId: null,
    ...change,
  }
}

const cpu = device({ name: 'CPU', kind: 'cpu', deviceType: 'cpu' })

describe('the device of a slot', () => {
  const first = device({ deviceId: '0000:17:00.0' })
  const second = device({ name: 'Vulkan1', deviceId: '0000:65:00.0' })

  it('is the CPU, or the only GPU', () => {
    assert.equal(deviceFor({ kind: 'cpu' }, [first, cpu]), null)
    assert.equal(deviceFor({ kind: 'gpu', pci: null, nth: 3 }, [first, cpu]), first)
    assert.equal(deviceFor({ kind: 'gpu', pci: null, nth: 0 }, [cpu]), null)
  })

  it('of several is the one at the address on the bus, as nvidia-smi writes it, or the nth', () => {
    const devices = [second, first, cpu]
    assert.equal(deviceFor({ kind: 'gpu', pci: '00000000:65:00.0', nth: 0 }, devices), second)
    assert.equal(deviceFor({ kind: 'gpu', pci: null, nth: 1 }, devices), second)
    assert.throws(
      () => deviceFor({ kind: 'gpu', pci: '00000000:99:00.0', nth: 0 }, devices),
      /a GPU \(0000:17:00.0\), a GPU \(0000:65:00.0\), none is the one to use \(00000000:99:00.0\)/,
    )
  })

  it('is driven by the vendor’s own backend, and in the processor only where it is alone', () => {
    const cuda = device({ name: 'CUDA0', kind: 'cuda', deviceId: '0000:17:00.0' })
    assert.equal(
      deviceFor({ kind: 'gpu', pci: '0000:17:00.0', nth: 0 }, [first, second, cuda]),
      cuda,
    )
    const small = device({ name: 'Vulkan1', deviceType: 'igpu' })
    assert.equal(deviceFor({ kind: 'gpu', pci: null, nth: 0 }, [small, first]), first)
    assert.equal(deviceFor({ kind: 'gpu', pci: null, nth: 0 }, [small, cpu]), small)
  })

  it('has an address by number or UUID', async () => {
    const program = path.join(folder, 'nvidia-smi')
    const rows = '0, GPU-aa11, 00000000:17:00.0\n1, GPU-bb22, 00000000:65:00.0'
    const query = '--query-gpu=index,uuid,pci.bus_id --format=csv,noheader'
    await writeFile(
      program,
      `#!/bin/sh\n[ "$*" = '${query}' ] && printf '${rows.replace('\n', '\\n')}\\n'\n`,
      { mode: 0o755 },
    )
    const { signal } = new AbortController()
    const at = async (gpu: string) =>
      await pciAddress({ index: 0, gpu, kind: 'cuda' }, signal, program)
    assert.equal(await at('1'), '00000000:65:00.0')
    assert.equal(await at('GPU-aa11'), '00000000:17:00.0')
    assert.equal(await at('MIG-cc'), null)
    assert.equal(await pciAddress({ index: 0, gpu: '0', kind: 'cuda' }, signal, '/no/such'), null)
    assert.equal(await pciAddress({ index: 0, gpu: null }, signal, program), null)
  })
})

describe('the language of a model', () => {
  const whisper = { languages: ['en', 'de', 'jw', 'no'], supportsLanguageDetect: true }
  const nemotron = { languages: ['en-US', 'de-DE', 'pt-BR'], supportsLanguageDetect: true }
  const canary = { languages: ['en', 'de'], supportsLanguageDetect: false }

  it('is its code for what the job names', () => {
    assert.equal(languageOf('de', whisper).language, 'de')
    assert.equal(languageOf('German', whisper).language, 'de')
    assert.equal(languageOf('jv', whisper).language, 'jw')
    assert.equal(languageOf('nb', whisper).language, 'no')
    assert.equal(languageOf('pt', nemotron).language, 'pt-BR')
    assert.throws(() => languageOf('fr', canary), { code: 'unsupported_language' })
  })

  it('is detected, the only one, or assumed', () => {
    assert.deepEqual(languageOf(null, whisper), { language: null, assumed: false })
    assert.deepEqual(languageOf(null, canary), { language: 'en', assumed: true })
    const english = { languages: ['en'], supportsLanguageDetect: false }
    assert.deepEqual(languageOf(null, english), { language: 'en', assumed: false })
  })
})

describe('speech that a window lacks', () => {
  const speech = [
    { start: 10, end: 20 },
    { start: 22, end: 22.5 },
    { start: 24, end: 30 },
  ]
  const missed = (...segments: [number, number][]) =>
    missedSpeech({
      window: { audio: { start: 9.5, end: 30.5 }, speech },
      result: {
        text: '',
        language: '',
        words: [],
        tokens: [],
        speakerSegments: [],
        segments: segments.map(([t0Ms, t1Ms]) => {
          return { text: 'a', t0Ms, t1Ms, firstToken: 0, nTokens: 0 }
        }),
      },
    })

  it('is what no segment covers, but for a word', () => {
    assert.deepEqual(missed([0, 10_500]), [[speech[2]]])
    assert.deepEqual(missed([0, 10_000], [15_000, 20_000]), [])
  })

  it('is also the rest of a span that a segment covers in part', () => {
    const { start, end } = speech[0]!
    assert.deepEqual(missed([0, 3_000], [12_000, 20_000]), [
      [{ start: 13, end: Math.min(end, 21) }],
    ])
    assert.ok(start < 13)
  })

  it('has recognised speech between its stretches, and none within one', () => {
    assert.deepEqual(
      missed([12_500, 13_000]).map((stretch) => stretch.length),
      [1, 1],
    )
  })

  it('is not looked for where there is no text at all', () => {
    assert.deepEqual(missed(), [])
  })
})

describe('an error of the library', () => {
  class ModelLoadError extends Error {}
  class UnsupportedRequest extends Error {}
  /** As it logged with too little memory. */
  const log = ['whisper: ggml_backend_alloc_ctx_tensors failed']

  it('is for want of memory where its log says so, whatever it is called', () => {
    const error = new ModelLoadError('loading model /m.gguf: gguf load error (status 4)')
    assert.equal(failureOf(error, { onGpu: true, log }).code, 'gpu_out_of_memory')
    assert.equal(failureOf(error, { onGpu: false, log }).code, 'engine_failed')
    assert.equal(failureOf(error, { onGpu: true, log: [] }).code, 'model_missing')
  })

  it('is the language’s, or no model’s in the middle of a run', () => {
    const none = { onGpu: false, log: [] }
    const language = new UnsupportedRequest('transcribe_run: unsupported language (status 10)')
    assert.equal(failureOf(language, none).code, 'unsupported_language')
    const run = new ModelLoadError('transcribe_run: gguf load error (status 4)')
    assert.equal(failureOf(run, none).code, 'engine_failed')
  })
})

describe('the models of transcribe-cpp', () => {
  it('are the files in gguf/, and those of whisper.cpp', async () => {
    const dir = await mkdtemp(path.join(folder, 'models-'))
    await mkdir(path.join(dir, 'gguf'))
    await writeFile(path.join(dir, 'gguf', 'whisper-base-F16.gguf'), '')
    await writeFile(path.join(dir, 'ggml-small.bin'), '')
    const { gguf, ggml } = await installedModels(dir)
    assert.deepEqual([gguf, ggml], [['whisper-base-F16'], ['small']])
    assert.equal(fileOf(dir, 'whisper-base-F16'), path.join(dir, 'gguf/whisper-base-F16.gguf'))
    assert.equal(fileOf(dir, 'small'), path.join(dir, 'ggml-small.bin'))
  })

  it('are ranked: the best Whisper, then any other, then the usual one to fetch', () => {
    const here = [
      'parakeet-tdt-0.6b-v3-Q8_0',
      'base',
      'whisper-small.en-Q8_0',
      'whisper-small-Q8_0',
    ]
    assert.equal(usualModel(here, false), 'whisper-small-Q8_0')
    assert.equal(usualModel(['large-v3', 'whisper-large-v3-turbo-Q8_0'], false), 'large-v3')
    assert.equal(
      usualModel(['large-v3', 'whisper-large-v3-turbo-Q8_0'], true),
      'whisper-large-v3-turbo-Q8_0',
    )
    assert.equal(usualModel(here.slice(0, 1), false), 'parakeet-tdt-0.6b-v3-Q8_0')
    assert.equal(usualModel(['tiny', 'large-v1'], false), 'large-v1')
    assert.equal(usualModel(['base-q5_1', 'base'], false), 'base')
    assert.equal(usualModel([], false), 'whisper-large-v3-turbo-Q8_0')
    assert.equal(usualModel([], true), 'whisper-small-Q8_0')
  })

  it('say by their names what they can', () => {
    const whisper = abilitiesOf('whisper-large-v3-turbo-Q8_0', 240)
    assert.deepEqual(
      [whisper.languages, whisper.translate, whisper.words, whisper.prompt],
      [null, false, false, true],
    )
    assert.deepEqual(abilitiesOf('/models/whisper-base.en-Q8_0.gguf', 240).languages, ['en'])
    for (const name of ['large-v1', 'distil-large-v3']) {
      assert.deepEqual([abilitiesOf(name, 240).words, abilitiesOf(name, 240).prompt], [false, true])
    }
    const parakeet = abilitiesOf('parakeet-tdt-0.6b-v3-Q8_0', 240)
    assert.ok(parakeet.words && parakeet.languages?.length === 25 && !parakeet.prompt)
  })
})

describe('the npm package transcribe-cpp', () => {
  const standIn = fileURLToPath(new URL('replay/transcribe-cpp', import.meta.url))

  it('is found in its folder, with its version', () => {
    const { url, version } = findLibrary(standIn) ?? {}
    assert.equal(version, '0.2.3')
    assert.ok(url?.endsWith('/replay/transcribe-cpp/index.js'))
    assert.equal(findLibrary(folder), null)
  })

  it('that is missing is named with the way to get it', () => {
    assert.match(missingLibrary(null), /npm install --global transcribe-cpp@\d/)
    assert.match(
      missingLibrary('/usr/bin/whisper-cli'),
      /'\/usr\/bin\/whisper-cli' is not the folder/,
    )
  })
})
