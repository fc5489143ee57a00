import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  MemoryFallback,
  nextStep,
  type Allowed,
  type ComputeConfig,
} from '../../agent/engines/out-of-memory.ts'
import { nextSmaller } from '../../agent/engines/model-name.ts'
import { AppError } from '../../shared/errors.ts'

const FULL: ComputeConfig = {
  batchSize: 16,
  computeType: 'float16',
  model: 'large-v3',
  device: 'gpu',
}
const NOTHING: Allowed = { smallerModel: false, cpu: false, models: [] }
const ALL: Allowed = { smallerModel: true, cpu: true, models: ['large-v3', 'medium', 'tiny'] }

/** Every step down from there, as its notes. */
function way(compute: ComputeConfig, allowed: Allowed): string[] {
  const notes: string[] = []
  let step = nextStep(compute, allowed)
  while (step !== null) {
    notes.push(step.note)
    step = nextStep(step.compute, allowed)
  }
  return notes
}

describe('nextStep', () => {
  it('goes from batches over numbers and models to the CPU', () => {
    assert.deepEqual(way(FULL, ALL), [
      'The GPU was out of memory: went on with batches of 8.',
      'The GPU was out of memory: went on with batches of 4.',
      'The GPU was out of memory: went on with batches of 2.',
      'The GPU was out of memory: went on without batches.',
      'The GPU was out of memory: went on with lower precision (int8_float16).',
      "The GPU was out of memory: went on with the model 'medium' in place of 'large-v3'.",
      "The GPU was out of memory: went on with the model 'tiny' in place of 'medium'.",
      'The GPU was out of memory: went on on the CPU.',
    ])
  })

  it('changes neither model nor device unless that is allowed', () => {
    const low = { ...FULL, batchSize: 1, computeType: 'int8_float16' }
    assert.equal(nextStep(low, { ...NOTHING, models: ALL.models }), null)
    const { compute } = nextStep(low, { ...NOTHING, cpu: true })!
    assert.deepEqual(compute, { ...low, device: 'cpu', computeType: 'int8' })
  })

  it('has smaller numbers only for an engine that takes them, and whose numbers are larger', () => {
    const steps = (computeType: string | null, computeTypes = true): (string | null)[] => {
      const step = nextStep({ ...FULL, batchSize: null, computeType }, { ...NOTHING, computeTypes })
      return step === null ? [] : [step.compute.computeType]
    }
    for (const larger of [null, 'auto', 'default', 'float16', 'float32', 'bfloat16']) {
      assert.deepEqual(steps(larger), ['int8_float16'])
    }
    assert.deepEqual(steps('int8'), [])
    assert.deepEqual(steps('int8_float16'), [])
    assert.deepEqual(steps(null, false), [])
    const cpu = nextStep(
      { ...FULL, batchSize: null, computeType: null },
      { ...NOTHING, cpu: true, computeTypes: false },
    )
    assert.deepEqual(cpu?.compute, { ...FULL, batchSize: null, computeType: null, device: 'cpu' })
  })

  it('has nothing below the CPU', () => {
    assert.equal(nextStep({ ...FULL, device: 'cpu' }, ALL), null)
  })
})

describe('nextSmaller', () => {
  const CASES: [string, string, string[], string | null][] = [
    [
      'takes the next size',
      'large-v3',
      ['tiny', 'base', 'small', 'medium', 'large-v3-turbo', 'large-v3'],
      'large-v3-turbo',
    ],
    ['knows the short name of the turbo', 'large-v3', ['turbo', 'medium'], 'turbo'],
    ['goes from the turbo to medium', 'large-v3-turbo', ['turbo', 'medium', 'small'], 'medium'],
    ['skips what is not there', 'medium', ['large-v3', 'tiny'], 'tiny'],
    ['stays with English', 'medium.en', ['small', 'small.en', 'base.en'], 'small.en'],
    ['goes from English to all languages when there is nothing else', 'small.en', ['base'], 'base'],
    [
      'never goes from all languages to English',
      'small',
      ['base.en', 'distil-small.en', 'tiny'],
      'tiny',
    ],
    [
      'reads the file names of whisper.cpp',
      'ggml-large-v3.bin',
      ['ggml-base.bin', 'ggml-small-q5_1.bin'],
      'ggml-small-q5_1.bin',
    ],
    [
      'reads paths',
      '/models/ggml-medium.bin',
      ['/models/ggml-base-q8_0.bin', '/models/ggml-tiny.bin'],
      '/models/ggml-base-q8_0.bin',
    ],
    [
      'finds a smaller format of the same model',
      'ggml-medium',
      ['ggml-medium-q5_0', 'ggml-tiny'],
      'ggml-medium-q5_0',
    ],
    [
      'does not take a larger model in a smaller format for a smaller one',
      'small',
      ['large-v3-q5_0', 'medium-q5_0', 'base'],
      'base',
    ],
    [
      'reads names of repositories',
      'Systran/faster-whisper-large-v3',
      ['deepdml/faster-whisper-large-v3-turbo-ct2', 'openai/whisper-tiny'],
      'deepdml/faster-whisper-large-v3-turbo-ct2',
    ],
    ['leaves the smallest where it is', 'tiny', ['tiny', 'base', 'large-v3'], null],
    ['leaves other models alone', 'parakeet-tdt-0.6b-v3', ['tiny'], null],
    ['takes no other models', 'medium', ['moonshine-tiny-en', 'silero-vad', 'constructor'], null],
  ]
  for (const [title, model, models, smaller] of CASES) {
    it(title, () => assert.equal(nextSmaller(model, models), smaller))
  }
})

describe('MemoryFallback', () => {
  const slot = { index: 0, gpu: 'GPU-a' }
  const outOfMemory = new AppError('gpu_out_of_memory', 'no memory left')

  /** An attempt that fits from some batch size down, and what it was given each time. */
  function fitting(batches: number) {
    const given: ComputeConfig[] = []
    const attempt = (compute: ComputeConfig): Promise<string> => {
      given.push(compute)
      return (compute.batchSize ?? 0) > batches
        ? Promise.reject(outOfMemory)
        : Promise.resolve('text')
    }
    return { attempt, sizes: () => given.splice(0).map(({ batchSize }) => batchSize), given }
  }

  it('goes down until there is enough memory, with a note for each step', async () => {
    const { attempt, sizes } = fitting(4)
    assert.deepEqual(await new MemoryFallback(FULL, NOTHING).run({ slot }, attempt), {
      result: 'text',
      warnings: [
        'The GPU was out of memory: went on with batches of 8.',
        'The GPU was out of memory: went on with batches of 4.',
      ],
    })
    assert.deepEqual(sizes(), [16, 8, 4])
  })

  it('throws the last error when no step is left', async () => {
    let tries = 0
    const running = new MemoryFallback({ ...FULL, batchSize: 2 }, NOTHING).run({ slot }, () =>
      Promise.reject(new AppError('gpu_out_of_memory', `try ${++tries}`)),
    )
    await assert.rejects(running, { code: 'gpu_out_of_memory', message: 'try 3' })
  })

  it('throws any other error at once', async () => {
    let tries = 0
    const running = new MemoryFallback(FULL, ALL).run({ slot }, () => {
      tries += 1
      return Promise.reject(new AppError('engine_failed', 'broken'))
    })
    await assert.rejects(running, { code: 'engine_failed' })
    assert.equal(tries, 1)
  })

  it('begins where the last attempt on that slot with that model fitted, with its notes', async () => {
    const fallback = new MemoryFallback(FULL, NOTHING)
    const { attempt, sizes } = fitting(8)
    await fallback.run({ slot }, attempt)
    sizes()
    const { warnings } = await fallback.run({ slot }, attempt)
    assert.deepEqual(sizes(), [8])
    assert.deepEqual(warnings, ['The GPU was out of memory: went on with batches of 8.'])
    await fallback.run({ slot: { ...slot, index: 1 }, model: null }, attempt)
    assert.deepEqual(sizes(), [16, 8])
    await fallback.run({ slot, model: 'base' }, attempt)
    assert.deepEqual(sizes(), [16, 8])
    fallback.forget()
    await fallback.run({ slot }, attempt)
    assert.deepEqual(sizes(), [16, 8])
  })

  it('tries the usual again half an hour after the step down, however often it was used', async () => {
    let now = 0
    const fallback = new MemoryFallback(FULL, NOTHING, () => now)
    const { attempt, sizes } = fitting(8)
    await fallback.run({ slot }, attempt)
    now = 29 * 60_000
    await fallback.run({ slot }, attempt)
    assert.deepEqual(sizes(), [16, 8, 8])
    now = 30 * 60_000
    await fallback.run({ slot }, attempt)
    assert.deepEqual(sizes(), [16, 8])
  })

  it('without batches begins where it fitted, and remembers nothing', async () => {
    const fallback = new MemoryFallback(FULL, ALL)
    const { attempt, given, sizes } = fitting(8)
    await fallback.run({ slot, unbatched: true }, attempt)
    assert.deepEqual(given, [{ ...FULL, batchSize: null }])
    sizes()
    await fallback.run({ slot }, attempt)
    assert.deepEqual(sizes(), [16, 8])
  })

  it('takes only those of the smaller models that can do the job', async () => {
    const models: string[] = []
    const low = { ...FULL, batchSize: null, computeType: 'int8' }
    await new MemoryFallback(low, ALL).run({ slot, models: ['tiny'] }, ({ model }) => {
      models.push(model)
      return model === 'tiny' ? Promise.resolve() : Promise.reject(outOfMemory)
    })
    assert.deepEqual(models, ['large-v3', 'tiny'])
  })
})
