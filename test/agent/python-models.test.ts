import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { Outcome } from '../../agent/engines/cli-program.ts'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import { fasterWhisper, fasterWhisperProgram } from '../../agent/engines/python/faster-whisper.ts'
import { openaiWhisper } from '../../agent/engines/python/openai-whisper.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { CLIPS } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { replayProgram } from './replay/program.ts'

const { signal } = new AbortController()
const dir = tempFolder()

/** Probes with that folder as Hugging Face's cache. */
async function probe(change: Partial<EngineSettings>, hub = path.join(dir, 'no-hub')) {
  const program = replayProgram(dir, 'whisper-ctranslate2', 'success')
  const settings = engineSettings(path.join(dir, 'models'), { program, ...change })
  const saved = process.env['HF_HUB_CACHE']
  process.env['HF_HUB_CACHE'] = hub
  try {
    return await fasterWhisper.probe(settings, signal)
  } finally {
    if (saved === undefined) delete process.env['HF_HUB_CACHE']
    else process.env['HF_HUB_CACHE'] = saved
  }
}

async function makeModel(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'model.bin'), '')
  await writeFile(path.join(folder, 'config.json'), '{}')
}

describe('the models of faster-whisper', () => {
  it('have to be there when it is offline', async () => {
    const found = await probe({})
    assert.deepEqual([found.usable, found.model], [false, null])
    assert.match(
      found.why,
      /0\.5\.8 at .* but the model small is not here, and nothing is fetched offline/,
    )
    assert.throws(() => fasterWhisper.create(engineSettings(dir), found), { code: 'model_missing' })
  })

  it('are downloaded by the first job otherwise', async () => {
    const { usable, why, models } = await probe({ offline: false })
    assert.deepEqual([usable, models], [true, ['small']])
    assert.match(why, /the model small is not here: the first job downloads it/)
  })

  it('have names that it knows', async () => {
    const { usable, why } = await probe({ offline: false, model: 'hugest' })
    assert.equal(usable, false)
    assert.match(why, /no model 'hugest'/)
  })

  it('are ours and those in the cache of Hugging Face, the best one first', async () => {
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
    const own = await probe({ modelsDir, model: 'my-own' }, hub)
    assert.deepEqual(own.models, ['my-own', 'base', 'tiny'])
    const byPath = await probe({ model: path.join(snapshots, 'abc') }, hub)
    assert.deepEqual(byPath.models, ['abc', 'base'])
    assert.equal((await probe({ modelsDir, model: 'turbo' }, hub)).usable, false)
  })

  it('leave the network open only while one is to be fetched', () => {
    const setup = { program: 'p', model: 'base', threads: null, gpu: false, env: {} }
    const models = new Map([
      ['base', '/models/base'],
      ['small', null],
    ])
    const program = fasterWhisperProgram({ ...setup, models })
    const envOf = (model: string): Record<string, string> => {
      const compute = { batchSize: null, computeType: null, model, device: 'cpu' } as const
      const piece = { wavPath: 'a.wav', durationSeconds: 1, workDir: 'w', again: false }
      return program.plan({ ...piece, slot: { index: 0, gpu: null }, options: OPTIONS, compute })
        .env
    }
    assert.deepEqual([envOf('base'), envOf('small')], [{ HF_HUB_OFFLINE: '1' }, {}])
  })

  it('detect no language of a job that names it', () => {
    const recorded = path.join(import.meta.dirname, 'recorded', 'faster-whisper')
    const outcomes = readFileSync(path.join(recorded, 'outcomes.json'), 'utf8')
    const { 'austen-plain': ended } = JSON.parse(outcomes) as Record<string, Outcome>
    const setup = { program: 'p', model: 'base', models: new Map(), threads: null, gpu: false }
    const { segments, ...rest } = fasterWhisperProgram({ ...setup, env: {} }).parse(
      readFileSync(path.join(recorded, 'austen-plain.json')),
      ended!,
      {
        wavPath: 'a.wav',
        durationSeconds: 7.1,
        workDir: 'w',
        slot: { index: 0, gpu: null },
        options: { ...OPTIONS, language: 'en' },
        compute: { batchSize: null, computeType: null, model: 'base', device: 'cpu' },
        again: false,
      },
    )
    assert.deepEqual([rest, segments.length], [{ language: 'en' }, 1])
  })

  it('are named in its results', async () => {
    const modelsDir = path.join(dir, 'one')
    await makeModel(path.join(modelsDir, 'ctranslate2', 'tiny'))
    const { info } = fasterWhisper.create(engineSettings(modelsDir), await probe({ modelsDir }))
    const named = { name: 'faster-whisper', model: 'tiny', device: 'cpu', version: '0.5.8' }
    assert.deepEqual(info, named)
  })
})

describe('the models of openai-whisper', () => {
  it('go by their names', async () => {
    const program = replayProgram(dir, 'whisper', 'success')
    const wish = async (model: string) =>
      await openaiWhisper.probe(
        engineSettings(dir, { program, model, offline: false, ffmpeg: '/opt/ffmpeg' }),
        signal,
      )
    assert.equal((await wish('turbo')).model, 'large-v3-turbo')
    assert.match((await wish('nonsense')).why, /no model 'nonsense'/)
  })

  it('may be a file, which goes to the CPU at once when the GPU is too small', async () => {
    const model = path.join(dir, 'tiny.pt')
    await writeFile(model, '')
    const settings = engineSettings(dir, {
      model,
      program: replayProgram(dir, 'whisper', 'small-gpu'),
      ffmpeg: '/opt/ffmpeg/bin/ffmpeg',
      device: { kind: 'cuda', name: 'a GPU that is not there' },
      onOutOfMemory: { smallerModel: false, cpu: true },
    })
    const found = await openaiWhisper.probe(settings, signal)
    assert.deepEqual([found.usable, found.model], [true, 'tiny'], found.why)
    const engine = openaiWhisper.create(settings, found)
    const slot = { index: 0, gpu: 'GPU-1' }
    const wavPath = path.join(dir, 'piece.wav')
    await copyFile(CLIPS.jfk.file, wavPath)
    const { segments, warnings } = await engine.transcribe(await requestFor(dir, { slot, wavPath }))
    assert.equal(segments.length, 2)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /CPU/)
  })
})
