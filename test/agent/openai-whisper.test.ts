import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import { openaiWhisper } from '../../agent/engines/python/openai-whisper.ts'
import { openaiWhisperProgram } from '../../agent/engines/python/openai-whisper-program.ts'
import { CLIPS, gone, tempFolder } from './fixtures.ts'
import { replayProgram } from './replay/program.ts'

const dir = tempFolder()
const signal = new AbortController().signal
const recorded = path.join(import.meta.dirname, 'recorded', 'openai-whisper')
const outcomes = JSON.parse(readFileSync(path.join(recorded, 'outcomes.json'), 'utf8')) as Record<
  string,
  Outcome
>
const program = openaiWhisperProgram({
  program: '/opt/whisper/bin/whisper',
  model: 'small',
  models: new Map([
    ['large-v3-turbo', '/models/large-v3-turbo.pt'],
    ['small', null],
  ]),
  threads: 2,
  gpu: true,
  env: { PYTHONUNBUFFERED: '1' },
})

const request: PlanRequest = {
  wavPath: '/job/piece.wav',
  durationSeconds: 11,
  workDir: '/job/out',
  slot: { index: 0, gpu: 'GPU-1' },
  options: {
    language: 'de',
    task: 'transcribe',
    prompt: 'Ada',
    hotwords: null,
    words: true,
    speakers: null,
    model: null,
  },
  compute: { batchSize: null, computeType: null, model: 'large-v3-turbo', device: 'gpu' },
  again: false,
}

function outcome(name: string): Outcome {
  const found = outcomes[name]
  assert.ok(found, name)
  return found
}

function golden(name: string): ReturnType<typeof program.parse> {
  return program.parse(readFileSync(path.join(recorded, `${name}.json`)), outcome(name), request)
}

describe('the plan of openai-whisper', () => {
  it('is the whole command for a GPU', () => {
    assert.deepEqual(program.plan(request), {
      file: '/opt/whisper/bin/whisper',
      args: (
        '/job/piece.wav --output_dir /job/out --output_format json --task transcribe --language de ' +
        '--initial_prompt=Ada --model /models/large-v3-turbo.pt --verbose True --device cuda --fp16 True ' +
        '--condition_on_previous_text False --word_timestamps True --hallucination_silence_threshold 2 --threads 2'
      ).split(' '),
      env: { PYTHONUNBUFFERED: '1' },
      output: '/job/out/piece.json',
    })
  })

  it('computes with whole numbers of 32 bits on the CPU, and names what is to be fetched', () => {
    const { args } = program.plan({
      ...request,
      compute: { ...request.compute, device: 'cpu', model: 'small' },
      options: { ...request.options, words: false, language: null },
      again: true,
    })
    assert.deepEqual(args.slice(1), [
      ...'--output_dir /job/out --output_format json --task transcribe --temperature 0.4'.split(
        ' ',
      ),
      ...'--model small --verbose True --device cpu --fp16 False'.split(' '),
      ...'--condition_on_previous_text False --threads 2'.split(' '),
    ])
  })
})

describe('what openai-whisper writes', () => {
  it('is read as it really was', () => {
    const { language, segments } = golden('jfk-words')
    assert.equal(language, 'en')
    assert.deepEqual(
      segments.map(({ start, end, text }) => [start, end, text]),
      [
        [0, 7.66, 'And so, my fellow Americans, ask not what your country can do for you,'],
        [7.7, 10.44, 'ask what you can do for your country.'],
      ],
    )
    assert.deepEqual(segments[0]?.words?.[1], { start: 0.62, end: 1.02, text: 'so,' })
    assert.equal(segments[0]?.avgLogprob?.toFixed(2), '-0.29')
    assert.equal(golden('austen-auto').segments[0]?.words, undefined)
  })

  it('is doubtful where nobody speaks', () => {
    assert.ok((golden('silence').segments[0]?.noSpeechProb ?? 0) > 0.5)
  })

  it('tells how far it is by the segments it prints', () => {
    const ends = outcome('jfk-words')
      .stdout.split('\n')
      .flatMap((line) => program.progress?.(line, 'stdout', 11) ?? [])
    assert.deepEqual(ends, [7.66, 10.44])
  })
})

describe('how openai-whisper ends', () => {
  const failures: Record<string, [code: string, message: RegExp]> = {
    'bad-audio': ['engine_failed', /ended with code 0: .*Invalid data found/],
    'no-audio-file': ['engine_failed', /No such file or directory/],
    'unknown-language': ['unsupported_language', /'klingon'/],
    'unknown-model': ['model_missing', /'gigantic'/],
    'named-model-offline': ['model_missing', /could not get its model/],
    cuda: ['engine_failed', /cannot use the GPU/],
    'no-driver': ['engine_failed', /cannot use the GPU \(Found no NVIDIA driver\)/],
    'out-of-memory': ['gpu_out_of_memory', /memory/],
    'out-of-memory-at-start': ['gpu_out_of_memory', /memory/],
    'no-ffmpeg': ['engine_missing', /ffmpeg/],
    'bad-checksum': ['model_missing', /could not get its model/],
    killed: ['engine_failed', /main memory/],
  }
  for (const [name, [code, message]] of Object.entries(failures)) {
    it(`means ${code}: ${name}`, () => {
      const error = program.classify(outcome(name))
      assert.equal(error?.code, code, error?.message)
      assert.match(error.message, message)
    })
  }

  it('is well also when somebody speaks of skipping', () => {
    assert.equal(program.classify(outcome('says-skipping')), null)
    assert.equal(program.classify(outcome('success')), null)
  })
})

describe('openai-whisper on a machine', () => {
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
    device: { kind: 'cuda', name: 'a GPU that is not there' },
    onOutOfMemory: { smallerModel: false, cpu: true },
    offline: true,
  }

  async function engineOf(scenario: string) {
    const folder = path.join(dir, scenario)
    await mkdir(path.join(folder, 'work'), { recursive: true })
    const wavPath = path.join(folder, 'piece.wav')
    await copyFile(CLIPS.jfk.file, wavPath)
    const model = path.join(folder, 'tiny.pt')
    await writeFile(model, '')
    const own: EngineSettings = {
      ...settings,
      model,
      program: replayProgram(folder, 'whisper', scenario),
      ffmpeg: '/opt/ffmpeg/bin/ffmpeg',
    }
    const probe = await openaiWhisper.probe(own, signal)
    assert.deepEqual([probe.usable, probe.model], [true, 'tiny'], probe.why)
    const engine = openaiWhisper.create(own, probe)
    return {
      engine,
      transcribe: () =>
        engine.transcribe({
          ...request,
          wavPath,
          workDir: path.join(folder, 'work'),
          signal,
          speech: [{ start: 0, end: 11 }],
          onProgress: () => undefined,
        }),
      nobodyLeft: async () => {
        const ids = readFileSync(path.join(folder, 'children'), 'utf8').trim().split(/\s/)
        await Promise.all(ids.map(Number).map(gone))
      },
    }
  }

  it('recognises', async () => {
    const { transcribe, nobodyLeft } = await engineOf('success')
    const { segments, language } = await transcribe()
    assert.equal(segments.length, 2)
    assert.equal(language, 'en')
    await nobodyLeft()
  })

  it('goes to the CPU at once when the GPU is too small, as it has neither batches nor numbers', async () => {
    const { transcribe, nobodyLeft } = await engineOf('small-gpu')
    const { warnings } = await transcribe()
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /CPU/)
    await nobodyLeft()
  })

  it('is not another program of that name', async () => {
    const probe = await openaiWhisper.probe({ ...settings, program: '/bin/true' }, signal)
    assert.equal(probe.usable, false)
    assert.match(probe.why, /does not answer as openai-whisper does/)
  })

  it('knows its models by name alone', async () => {
    const program = replayProgram(dir, 'whisper', 'success')
    const online: EngineSettings = { ...settings, program, offline: false, ffmpeg: '/opt/ffmpeg' }
    const wish = async (model: string) => await openaiWhisper.probe({ ...online, model }, signal)
    assert.equal((await wish('turbo')).model, 'large-v3-turbo')
    assert.match((await wish('nonsense')).why, /no model 'nonsense'/)
  })
})
