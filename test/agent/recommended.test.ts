import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MODELS } from '../../agent/models/catalogue.ts'
import { hostText, offerFor, recommendedModel, type Host } from '../../agent/models/recommended.ts'

const laptop: Host = { gpu: null, memoryMb: 16_000, engines: [] }
const gpu = (memoryMb: number | null) => ({ name: 'NVIDIA L4', memoryMb })

describe('the recommended model', () => {
  for (const [what, host, expected] of [
    ['a laptop', {}, 'parakeet/tdt-0.6b-v3-int8'],
    ['a small machine', { memoryMb: 2_000 }, null],
    ['a GPU that nothing here uses', { gpu: gpu(23_000) }, 'parakeet/tdt-0.6b-v3-int8'],
    [
      'a GPU with whisper.cpp',
      { gpu: gpu(8_000), engines: ['whisper-cpp'] },
      'ggml/large-v3-turbo',
    ],
    [
      'a GPU with both programs',
      { gpu: gpu(8_000), engines: ['whisper-cpp', 'faster-whisper'] },
      'ctranslate2/large-v3-turbo',
    ],
    ['a GPU of 3 GB', { gpu: gpu(3_000), engines: ['faster-whisper'] }, 'ctranslate2/small'],
    ['a GPU of 1 GB', { gpu: gpu(1_024), engines: ['whisper-cpp'] }, 'ggml/base'],
    [
      'a GPU in the machine’s memory',
      { gpu: gpu(null), engines: ['whisper-cpp'] },
      'ggml/large-v3-turbo',
    ],
    [
      'a GPU without a program',
      { gpu: gpu(8_000), engines: ['transcribe-cpp'] },
      'gguf/whisper-large-v3-turbo-Q8_0',
    ],
    [
      'a laptop with transcribe-cpp alone',
      { engines: ['transcribe-cpp'] },
      'parakeet/tdt-0.6b-v3-int8',
    ],
    ['whisper.cpp on a CPU', { engines: ['whisper-cpp'] }, 'ggml/large-v3-turbo'],
    ['the same with less memory', { memoryMb: 6_000, engines: ['whisper-cpp'] }, 'ggml/small'],
    ['the same with hardly any', { memoryMb: 1_000, engines: ['whisper-cpp'] }, null],
    [
      'a program that fetches its models itself',
      { engines: ['openai-whisper'] },
      'parakeet/tdt-0.6b-v3-int8',
    ],
  ] as const satisfies readonly (readonly [string, Partial<Host>, string | null])[]) {
    it(`of ${what} is ${expected ?? 'none'}`, () => {
      const name = recommendedModel({ ...laptop, ...host })
      assert.equal(name, expected)
      assert.ok(name === null || MODELS.some((model) => model.name === name))
    })
  }

  it('is offered with its languages and its size, and not where there is none', () => {
    assert.match(
      offerFor(laptop) ?? '',
      /English only.*morag-agent models pull recommended \(Parakeet v3.*25 European languages, 670\.5 MB\)\.$/,
    )
    assert.equal(offerFor({ ...laptop, memoryMb: 1_000 }), null)
  })

  it('is for a machine that is described with it', () => {
    assert.equal(hostText(laptop), 'no GPU, 16 GB of memory')
    const host = { gpu: gpu(23_034), memoryMb: 64_000, engines: ['whisper-cpp', 'command'] }
    assert.equal(hostText(host), 'NVIDIA L4 with 22 GB, whisper-cpp')
  })
})
