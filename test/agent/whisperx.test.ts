import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CliEngine } from '../../agent/engines/cli-engine.ts'
import type { Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import { whisperx } from '../../agent/engines/python/whisperx.ts'
import { alignedLanguages } from '../../agent/engines/python/whisperx-alignment.ts'
import { WhisperxEngine } from '../../agent/engines/python/whisperx-engine.ts'
import { whisperxProgram, type WhisperxSetup } from '../../agent/engines/python/whisperx-program.ts'
import { pythonPlaces } from '../../agent/engines/python/places.ts'
import { engineSettings, OPTIONS } from './engine-request.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { replayProgram } from './replay/program.ts'

const dir = tempFolder()
const recorded = path.join(import.meta.dirname, 'recorded', 'whisperx')
const outcomes = JSON.parse(readFileSync(path.join(recorded, 'outcomes.json'), 'utf8')) as Record<
  string,
  Outcome
>

const setup: WhisperxSetup = {
  program: '/opt/whisperx/bin/whisperx',
  model: 'large-v3',
  models: new Map([
    ['large-v3', '/models/ctranslate2/large-v3'],
    ['small', null],
    ['base.en', '/models/ctranslate2/base.en'],
  ]),
  threads: null,
  gpu: true,
  offline: false,
  speakers: true,
  aligned: new Set(['de', 'en']),
  env: { PYTHONUNBUFFERED: '1' },
  token: 'hf_secret',
}
const program = whisperxProgram(setup)

const request: PlanRequest = {
  wavPath: '/job/piece.wav',
  durationSeconds: 100,
  workDir: '/job/out',
  slot: { index: 0, gpu: 'GPU-1' },
  options: { ...OPTIONS, language: 'de' },
  compute: { batchSize: 8, computeType: null, model: 'large-v3', device: 'gpu' },
  again: false,
}
const asking = (options: Partial<PlanRequest['options']>): PlanRequest => ({
  ...request,
  options: { ...request.options, ...options },
})

function outcome(name: string): Outcome {
  const found = outcomes[name]
  assert.ok(found, name)
  return found
}

function golden(name: string, asked: PlanRequest): ReturnType<typeof program.parse> {
  return program.parse(readFileSync(path.join(recorded, `${name}.json`)), outcome(name), asked)
}

function valuesOf(args: readonly string[], option: string): string[] {
  return args.flatMap((arg, i) => (arg === option ? [args[i + 1] ?? ''] : []))
}

describe('the plan of whisperx', () => {
  it('aligns no language that it has no model for, none it does not know, and no translation', () => {
    const aligns = (asked: PlanRequest): boolean => !program.plan(asked).args.includes('--no_align')
    assert.equal(aligns(request), true)
    assert.equal(aligns(asking({ words: false })), true)
    assert.equal(aligns(asking({ language: 'cy' })), false)
    assert.equal(aligns(asking({ language: null })), false)
    assert.equal(aligns(asking({ task: 'translate' })), false)
    const english = { ...request, compute: { ...request.compute, model: 'base.en' } }
    assert.equal(aligns(english), true)
    assert.deepEqual(valuesOf(program.plan(english).args, '--language'), ['en'])
  })

  it('tells speakers apart, and gives the token by the environment alone', () => {
    const { args, env } = program.plan(asking({ speakers: { min: 2, max: null } }))
    assert.ok(args.includes('--diarize'))
    assert.deepEqual(valuesOf(args, '--min_speakers'), ['2'])
    assert.ok(!args.includes('--max_speakers'))
    assert.ok(!args.some((arg) => arg.includes('hf_secret')))
    assert.equal(env['HF_TOKEN'], 'hf_secret')
    assert.equal(program.plan(request).env['HF_TOKEN'], undefined)
  })

  it('says numbers in the ways that it knows', () => {
    const typeOf = (computeType: string | null, device: 'gpu' | 'cpu'): string[] =>
      valuesOf(
        program.plan({ ...request, compute: { ...request.compute, computeType, device } }).args,
        '--compute_type',
      )
    assert.deepEqual(typeOf('int8_float16', 'gpu'), ['int8'])
    assert.deepEqual(typeOf('bfloat16', 'gpu'), ['float16'])
    assert.deepEqual(typeOf('float32', 'gpu'), ['float32'])
    assert.deepEqual(typeOf(null, 'cpu'), ['int8'])
  })

  it('fetches nothing when it is offline', () => {
    const offline = whisperxProgram({ ...setup, offline: true, threads: 2 })
    const { args } = offline.plan(request)
    assert.deepEqual(valuesOf(args, '--model_cache_only'), ['True'])
    assert.deepEqual(valuesOf(args, '--threads'), ['2'])
  })
})

describe('what whisperx writes', () => {
  it('is read with speakers and aligned words, some of which lack times', () => {
    const { segments } = golden('aligned', request)
    assert.deepEqual(
      segments.map(({ speaker, text }) => [speaker, text]),
      [
        ['SPEAKER_01', 'In 2014 we paid £13.60.'],
        ['SPEAKER_00', 'Who did?'],
      ],
    )
    assert.deepEqual(segments[0]?.words?.slice(0, 3), [
      { start: 0.331, end: 0.452, text: 'In', probability: 0.91 },
      { start: 0.452, end: 1.1, text: '2014' },
      { start: 1.1, end: 1.22, text: 'we', probability: 0.99 },
    ])
    assert.deepEqual(segments[0]?.words?.at(-1), { start: 1.7, end: 3.214, text: '£13.60.' })
    assert.equal(golden('aligned', asking({ words: false })).segments[0]?.words, undefined)
  })

  it('lies about the language unless it was given, so its log is believed', () => {
    const { segments, ...rest } = golden('german', asking({ language: null }))
    assert.deepEqual(rest, { language: 'de', languageProbability: 0.99 })
    assert.equal(segments[0]?.text, 'Guten Tag.')
    const silent = program.parse(
      readFileSync(path.join(recorded, 'german.json')),
      { ...outcome('german'), stdout: '' },
      asking({ language: null }),
    )
    assert.equal(silent.language, null)
  })

  it('tells the language of a single file', () => {
    const both = program.detection?.parse(outcome('auto-both'), ['a'])
    assert.equal(both?.[0]?.language, 'en')
  })

  it('counts to a hundred in each stage, which is a share of the whole', () => {
    const done = (asked: PlanRequest): number[] => {
      const read = program.progress?.(asked)
      return outcome('aligned')
        .stdout.split('\n')
        .flatMap((line) => {
          const seconds = read?.(line, 'stdout') ?? null
          return seconds === null ? [] : [Math.round(seconds)]
        })
    }
    assert.deepEqual(
      done(asking({ speakers: { min: null, max: null } })),
      [0, 25, 50, 50, 65, 80, 80],
    )
    assert.deepEqual(done(request).slice(0, 6), [0, 25, 50, 50, 75, 99])
    assert.deepEqual(done(asking({ language: 'cy' })).slice(0, 3), [0, 50, 99])
  })
})

const settings = engineSettings(path.join(dir, 'models'), {
  batchSize: 4,
  device: { kind: 'cuda', name: 'a GPU that is not there' },
})

describe('whisperx as an engine', () => {
  let count = 0

  /** The engine with a program that plays back one scenario, and another where `--no_align` or no speakers are asked. */
  async function transcribed(scenario: string, less: { when: string; scenario: string } | null) {
    const folder = path.join(dir, `job-${count++}`)
    await mkdir(path.join(folder, 'work'), { recursive: true })
    const wavPath = path.join(folder, 'piece.wav')
    await copyFile(CLIPS.jfk.file, wavPath)
    const file = replayProgram(folder, 'whisperx', scenario)
    if (less !== null) {
      const script = readFileSync(file, 'utf8')
      const other = script.replace(`'${scenario}'`, `'${less.scenario}'`).replace('#!/bin/sh\n', '')
      const test = `case " $* " in ${less.when}) ${other.trim()};; esac\n`
      await writeFile(file, script.replace('#!/bin/sh\n', `#!/bin/sh\n${test}`))
    }
    const own = { ...setup, program: file, env: {} }
    const info = { name: 'whisperx', model: 'large-v3', device: 'replay', version: '3.8.6' }
    const plain = new CliEngine(whisperxProgram({ ...own, aligned: new Set() }), settings, info, [])
    const engine = new WhisperxEngine(plain, whisperxProgram(own), settings, info, [])
    try {
      return await engine.transcribe({
        ...asking({ language: 'en', speakers: { min: null, max: 3 } }),
        durationSeconds: 11,
        wavPath,
        workDir: path.join(folder, 'work'),
        signal: new AbortController().signal,
        speech: [{ start: 0, end: 11 }],
        onProgress: () => undefined,
      })
    } finally {
      const ids = readFileSync(path.join(folder, 'children'), 'utf8').trim().split(/\s/).map(Number)
      await Promise.all(ids.map(gone))
      await engine.close()
    }
  }

  it('does without speakers rather than without the text', async () => {
    const without = { when: '*" --diarize "*', scenario: 'gated' }
    const { segments, warnings } = await transcribed('success', without)
    assert.equal(segments[0]?.text, CLIPS.jfk.text)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /^Diarization failed\. .*HF_TOKEN/)
  })

  it('does without alignment rather than without the text', async () => {
    const { segments, warnings } = await transcribed('jfk-align', {
      when: '*" --no_align "*',
      scenario: 'success',
    })
    assert.equal(segments[0]?.text, CLIPS.jfk.text)
    assert.match(warnings[0] ?? '', /^The words could not be aligned/)
  })

  it('halves its batches, then its numbers, when the GPU is too small', async () => {
    const { warnings } = await transcribed('small-gpu', null)
    assert.equal(warnings.length, 3)
  })

  it('is found with its version, and says what it lacks', async () => {
    const file = replayProgram(dir, 'whisperx', 'success')
    const model = path.join(dir, 'my-model')
    await mkdir(model, { recursive: true })
    await writeFile(path.join(model, 'model.bin'), '')
    await writeFile(path.join(model, 'config.json'), '{}')
    const all = { ...settings, program: file, model, ffmpeg: '/opt/ffmpeg/ffmpeg' }
    const probe = await whisperx.probe(all, new AbortController().signal)
    assert.deepEqual([probe.usable, probe.version, probe.model], [true, '3.8.6', 'my-model'])
    const engine = whisperx.create(all, probe)
    assert.equal(engine.info.device, 'a GPU that is not there')
    assert.equal(engine.abilities.speakers, false)
  })
})

describe('the languages that whisperx aligns', () => {
  it('are all of its list when it may fetch, and offline those that are here', async () => {
    const places = {
      ...pythonPlaces({ offline: true }),
      torch: path.join(dir, 'torch'),
      hub: path.join(dir, 'hub'),
      nltk: [path.join(dir, 'nltk')],
    }
    assert.equal(alignedLanguages(places, false).size, 41)
    await mkdir(path.join(dir, 'torch', 'hub', 'checkpoints'), { recursive: true })
    await writeFile(
      path.join(dir, 'torch', 'hub', 'checkpoints', 'wav2vec2_voxpopuli_base_10k_asr_de.pt'),
      '',
    )
    const dutch = path.join(
      dir,
      'hub/models--jonatasgrosman--wav2vec2-large-xlsr-53-dutch/snapshots/a',
    )
    await mkdir(dutch, { recursive: true })
    await writeFile(path.join(dutch, 'config.json'), '{}')
    assert.deepEqual([...alignedLanguages(places, true)], [])
    await mkdir(path.join(dir, 'nltk', 'tokenizers', 'punkt_tab'), { recursive: true })
    assert.deepEqual([...alignedLanguages(places, true)], ['de', 'nl'])
  })
})
