import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import { fasterWhisper } from '../../agent/engines/python/faster-whisper.ts'
import { fasterWhisperProgram } from '../../agent/engines/python/faster-whisper-program.ts'
import type { AppError } from '../../shared/errors.ts'
import { tempFolder } from './fixtures.ts'
import { replayProgram } from './replay/program.ts'

const signal = new AbortController().signal
const dir = tempFolder()
const recorded = path.join(import.meta.dirname, 'recorded', 'faster-whisper')
const outcomes = JSON.parse(readFileSync(path.join(recorded, 'outcomes.json'), 'utf8')) as Record<
  string,
  Outcome
>

const setup = {
  program: '/opt/whisper/bin/whisper-ctranslate2',
  model: 'base',
  models: new Map([
    ['base', '/models/ctranslate2/base'],
    ['small', null],
    ['base.en', '/models/ctranslate2/base.en'],
  ]),
  threads: null,
  gpu: true,
  env: { PYTHONUNBUFFERED: '1' },
}
const program = fasterWhisperProgram(setup)

const request: PlanRequest = {
  wavPath: '/job/piece.wav',
  durationSeconds: 11,
  workDir: '/job/out',
  slot: { index: 0, gpu: 'GPU-1' },
  options: {
    language: null,
    task: 'transcribe',
    prompt: null,
    hotwords: null,
    words: false,
    speakers: null,
    model: null,
  },
  compute: { batchSize: null, computeType: null, model: 'base', device: 'gpu' },
  again: false,
}

function outcome(name: string): Outcome {
  const found = outcomes[name]
  assert.ok(found, name)
  return found
}

function golden(name: string, outcomeName = name): ReturnType<typeof program.parse> {
  const output = readFileSync(path.join(recorded, `${name}.json`))
  return program.parse(output, outcome(outcomeName), request)
}

/** The values of an option, in order. */
function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, i) => (arg === option ? [args[i + 1] ?? ''] : []))
}

describe('the plan of faster-whisper', () => {
  it('is the whole command for a GPU', () => {
    const plan = program.plan({
      ...request,
      options: { ...request.options, language: 'de', words: true },
    })
    assert.deepEqual(plan, {
      file: '/opt/whisper/bin/whisper-ctranslate2',
      args: (
        '/job/piece.wav --output_dir /job/out --output_format json --task transcribe --language de ' +
        '--model_directory /models/ctranslate2/base --verbose True --device cuda --device_index 0 ' +
        '--compute_type default --condition_on_previous_text False --vad_filter False ' +
        '--word_timestamps True --hallucination_silence_threshold 2'
      ).split(' '),
      env: { PYTHONUNBUFFERED: '1', HF_HUB_OFFLINE: '1' },
      output: '/job/out/piece.json',
    })
  })

  it('computes with int8 on the CPU, with as many threads as it is given', () => {
    const cpu = fasterWhisperProgram({ ...setup, threads: 3 })
    const { args } = cpu.plan({ ...request, compute: { ...request.compute, device: 'cpu' } })
    assert.deepEqual(valuesOf(args, '--device'), ['cpu'])
    assert.deepEqual(valuesOf(args, '--compute_type'), ['int8'])
    assert.deepEqual(valuesOf(args, '--threads'), ['3'])
  })

  it('names a model that is still to be fetched, with the network open', () => {
    const { args, env } = program.plan({
      ...request,
      compute: { ...request.compute, model: 'small' },
    })
    assert.deepEqual(valuesOf(args, '--model'), ['small'])
    assert.ok(!args.includes('--model_directory'))
    assert.equal(env['HF_HUB_OFFLINE'], undefined)
  })

  it('takes batches, which cannot skip silence, and none of them for a second try', () => {
    const compute = { ...request.compute, batchSize: 16 }
    const options = { ...request.options, words: true, prompt: 'Names: Ada', hotwords: 'Ada' }
    const once = program.plan({ ...request, compute, options }).args
    assert.deepEqual(valuesOf(once, '--batch_size'), ['16'])
    assert.deepEqual(valuesOf(once, '--batched'), ['True'])
    assert.ok(!once.includes('--hallucination_silence_threshold'))
    assert.ok(once.includes('--initial_prompt=Names: Ada') && once.includes('--hotwords=Ada'))
    const again = program.plan({ ...request, compute, options, again: true }).args
    assert.ok(!again.some((arg) => /--batch|prompt=|hotwords/.test(arg)))
    assert.deepEqual(valuesOf(again, '--temperature'), ['0.4'])
    const one = program.plan({ ...request, compute: { ...compute, batchSize: 1 } }).args
    assert.ok(!one.includes('--batched'))
  })

  it('lets a prompt begin with a dash', () => {
    const options = { ...request.options, prompt: '--model tiny' }
    assert.ok(program.plan({ ...request, options }).args.includes('--initial_prompt=--model tiny'))
  })

  it('tells a model of English alone that it is English', () => {
    const compute = { ...request.compute, model: 'base.en' }
    assert.deepEqual(valuesOf(program.plan({ ...request, compute }).args, '--language'), ['en'])
  })

  it('translates', () => {
    const options = { ...request.options, task: 'translate' as const }
    assert.deepEqual(valuesOf(program.plan({ ...request, options }).args, '--task'), ['translate'])
  })

  it('hears the language of several files in one process, with one beam', () => {
    const plan = program.detection?.plan(request, ['/job/1/a.wav', '/job/2/a.wav'])
    assert.deepEqual(plan?.args.slice(0, 2), ['/job/1/a.wav', '/job/2/a.wav'])
    assert.deepEqual(valuesOf(plan.args, '--beam_size'), ['1'])
    assert.deepEqual(valuesOf(plan.args, '--language'), [])
    assert.equal(plan.output, null)
  })
})

describe('what faster-whisper writes', () => {
  it('is read: text, times, words, certainty, language with its probability', () => {
    const { language, languageProbability, segments } = golden('jfk')
    assert.deepEqual(
      { language, languageProbability },
      { language: 'en', languageProbability: 0.929797 },
    )
    const [segment] = segments
    assert.equal(segments.length, 1)
    assert.match(segment?.text ?? '', /^And so my fellow Americans, .* do for your country\.$/)
    assert.equal(segment?.words?.length, 22)
    assert.deepEqual(segment.words[4], { start: 1.58, end: 2.1, text: 'Americans,' })
    assert.deepEqual(
      [segment.avgLogprob, segment.noSpeechProb, segment.compressionRatio].map((n) =>
        n?.toFixed(2),
      ),
      ['-0.28', '0.09', '1.35'],
    )
  })

  it('has no words when none were asked for, and no probability of a language that was told', () => {
    const output = readFileSync(path.join(recorded, 'austen-plain.json'))
    const told = { ...request, options: { ...request.options, language: 'en' } }
    const { segments, ...rest } = program.parse(output, outcome('austen-plain'), told)
    assert.deepEqual(rest, { language: 'en' })
    assert.equal(segments[0]?.words, undefined)
  })

  it('may be nothing', () => {
    assert.deepEqual(golden('silence-batched').segments, [])
  })

  it('keeps what it makes up of noise within the piece', () => {
    const output = readFileSync(path.join(recorded, 'hiss.json'))
    const { segments } = program.parse(output, outcome('hiss'), { ...request, durationSeconds: 6 })
    assert.deepEqual(
      segments.map(({ start, end }) => [start, end]),
      [
        [0, 6],
        [6, 6],
        [6, 6],
      ],
    )
  })

  it('tells how far it is by the segments it prints', () => {
    const progress = (line: string): number | null | undefined =>
      program.progress?.(line, 'stdout', 100)
    assert.equal(progress('[00:00.000 --> 00:04.320]  Guten Tag.'), 4.32)
    assert.equal(progress('[01:00:00.000 --> 01:00:04.320]  Guten Tag.'), 3604.32)
    assert.equal(progress("Detected language 'German' with probability 0.98"), null)
    assert.equal(program.progress?.('[00:00.000 --> 00:04.320]', 'stderr', 100), null)
  })

  it('tells the language of each file', () => {
    assert.deepEqual(program.detection?.parse(outcome('detection'), ['a', 'b', 'c']), [
      { language: 'en', probability: 0.929797 },
      { language: 'en', probability: 0.359082 },
      { language: 'en', probability: 0.997686 },
    ])
    const stdout = "Detected language 'Haitian Creole' with probability 0.5\n"
    assert.deepEqual(program.detection?.parse({ ...outcome('detection'), stdout }, ['a']), [
      { language: 'ht', probability: 0.5 },
    ])
    const other = "Detected language 'Klingon' with probability 0.5\n"
    assert.deepEqual(program.detection?.parse({ ...outcome('detection'), stdout: other }, ['a']), [
      null,
    ])
  })
})

describe('how faster-whisper ends', () => {
  const failures: Record<string, [code: string, message: RegExp]> = {
    'bad-audio': ['engine_failed', /InvalidDataError: .*Invalid data found/],
    'tuple-index': ['engine_failed', /IndexError: tuple index out of range/],
    'no-model': ['model_missing', /no model at '\/no\/such\/model\.bin'/],
    'no-model-old': ['model_missing', /no model at '\/models\/gone\/model\.bin'/],
    offline: ['model_missing', /could not get its model/],
    'no-network': ['model_missing', /could not get its model/],
    'broken-model': ['model_missing', /damaged/],
    'unknown-model': ['model_missing', /does not know the model 'nonsense'/],
    'unknown-language': ['unsupported_language', /'xx'/],
    'bad-language-code': ['unsupported_language', /'yue'/],
    'unknown-option': ['engine_failed', /does not know the option --no_such_option: its version/],
    'no-words': ['engine_failed', /requires --word_timestamps True/],
    float16: ['engine_failed', /cannot compute with float16/],
    'no-gpu': ['engine_failed', /cannot use the GPU \(driver version is insufficient\)/],
    'no-cudnn': ['engine_failed', /libcudnn_ops\.so\.9\.1\.0.*pip install/],
    'no-cublas': ['engine_failed', /libcublas\.so\.12.*LD_LIBRARY_PATH/],
    'out-of-memory-in-file': ['gpu_out_of_memory', /memory/],
    'out-of-memory-at-start': ['gpu_out_of_memory', /memory/],
    'out-of-memory-uncaught': ['gpu_out_of_memory', /memory/],
    killed: ['engine_failed', /was killed.*main memory/],
    'killed-in-container': ['engine_failed', /was killed.*main memory/],
    crashed: ['engine_failed', /was ended by SIGSEGV/],
  }
  for (const [name, [code, message]] of Object.entries(failures)) {
    it(`means ${code}: ${name}`, () => {
      const error = program.classify(outcome(name))
      assert.equal(error?.code, code, error?.message)
      assert.match(error.message, /^The engine faster-whisper /)
      assert.match(error.message, message)
    })
  }

  it('is well also when somebody speaks of an error', () => {
    assert.equal(program.classify(outcome('says-out-of-memory')), null)
    assert.equal(program.classify(outcome('jfk')), null)
  })

  it('is not taken for an error that somebody speaks of', () => {
    const stdout = outcome('says-out-of-memory').stdout
    const error = program.classify({ ...outcome('bad-audio'), stdout })
    assert.equal(error?.code, 'engine_failed')
  })
})

describe('faster-whisper on a machine', () => {
  const settings: EngineSettings = {
    modelsDir: path.join(dir, 'models'),
    model: null,
    program: null,
    url: null,
    command: null,
    commandOutput: 'whisper-json',
    computeType: null,
    batchSize: null,
    threads: null,
    device: { kind: 'cpu', name: 'cpu' },
    onOutOfMemory: { smallerModel: false, cpu: false },
    offline: true,
  }
  const replayed = replayProgram(dir, 'whisper-ctranslate2', 'success')

  async function withHub<T>(hub: string, work: () => Promise<T>): Promise<T> {
    const saved = process.env['HF_HUB_CACHE']
    process.env['HF_HUB_CACHE'] = hub
    try {
      return await work()
    } finally {
      if (saved === undefined) delete process.env['HF_HUB_CACHE']
      else process.env['HF_HUB_CACHE'] = saved
    }
  }
  const probe = (change: Partial<EngineSettings>, hub = path.join(dir, 'no-hub')) =>
    withHub(hub, () => fasterWhisper.probe({ ...settings, program: replayed, ...change }, signal))

  async function makeModel(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, 'model.bin'), '')
    await writeFile(path.join(folder, 'config.json'), '{}')
  }

  it('says how to install it where it is not', async () => {
    const { usable, why } = await probe({ program: path.join(dir, 'nothing') })
    assert.equal(usable, false)
    assert.match(why, /nothing is not found\. Install it: pip install whisper-ctranslate2\./)
  })

  it('does not take another program for it', async () => {
    const { usable, why } = await probe({ program: '/bin/true' })
    assert.equal(usable, false)
    assert.match(why, /does not answer as whisper-ctranslate2 does/)
  })

  it('needs a model that is there when it is offline', async () => {
    const { usable, why, model } = await probe({})
    assert.deepEqual({ usable, model }, { usable: false, model: null })
    assert.match(
      why,
      /0\.5\.8 at .* but the model small is not here, and nothing is fetched offline/,
    )
    assert.throws(
      () =>
        fasterWhisper.create(settings, {
          usable,
          why,
          model,
          models: [],
          program: replayed,
          version: '0.5.8',
        }),
      (error: AppError) => error.code === 'model_missing' && error.message.includes(why),
    )
  })

  it('says that the first job downloads a model', async () => {
    const { usable, why, models } = await probe({ offline: false })
    assert.deepEqual({ usable, models }, { usable: true, models: ['small'] })
    assert.match(why, /the model small is not here: the first job downloads it/)
  })

  it('knows no model of a name that nobody has', async () => {
    const { usable, why } = await probe({ offline: false, model: 'hugest' })
    assert.equal(usable, false)
    assert.match(why, /no model 'hugest'/)
  })

  it('finds our models and those in the cache of Hugging Face, the best one first', async () => {
    const modelsDir = path.join(dir, 'some')
    const hub = path.join(dir, 'hub')
    await makeModel(path.join(modelsDir, 'ctranslate2', 'tiny'))
    await makeModel(path.join(modelsDir, 'ctranslate2', 'my-own'))
    const snapshots = path.join(hub, 'models--Systran--faster-whisper-base', 'snapshots')
    await makeModel(path.join(snapshots, 'abc'))
    // A download that was cut: a link that leads nowhere.
    const cut = path.join(hub, 'models--Systran--faster-whisper-large-v3', 'snapshots', 'def')
    await mkdir(cut, { recursive: true })
    await writeFile(path.join(cut, 'config.json'), '{}')
    await symlink('../../blobs/none', path.join(cut, 'model.bin'))
    const found = await probe({ modelsDir }, hub)
    assert.deepEqual(found.models, ['base', 'tiny', 'my-own'])
    assert.deepEqual((await probe({ modelsDir, model: 'my-own' }, hub)).models, [
      'my-own',
      'base',
      'tiny',
    ])
    const byPath = await probe({ model: path.join(snapshots, 'abc') }, hub)
    assert.deepEqual(byPath.models, ['abc', 'base'])
    assert.equal((await probe({ modelsDir, model: 'turbo' }, hub)).usable, false)
  })

  it('becomes an engine that says what it runs', async () => {
    const modelsDir = path.join(dir, 'one')
    await makeModel(path.join(modelsDir, 'ctranslate2', 'tiny'))
    const found = await probe({ modelsDir })
    const engine = fasterWhisper.create({ ...settings, modelsDir }, found)
    assert.deepEqual(engine.info, {
      name: 'faster-whisper',
      model: 'tiny',
      device: 'cpu',
      version: '0.5.8',
    })
  })
})
