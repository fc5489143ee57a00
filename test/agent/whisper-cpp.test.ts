import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Engine } from '../../agent/engines/engine.ts'
import { whisperCpp } from '../../agent/engines/whisper-cpp/definition.ts'
import { bestModel } from '../../agent/engines/whisper-cpp/models.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { engineSettings, requestFor } from './engine-request.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { installReplay } from './replay/install.ts'

const folder = tempFolder()
const program = await installReplay(path.join(folder, 'bin'), 'whisper-cli')
const { signal } = new AbortController()
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

const modelPath = async (name: string): Promise<string> => {
  const file = path.join(folder, `ggml-${name}.bin`)
  await writeFile(file, '')
  return file
}

/** An engine on the replay of whisper-cli; the model's name says what happens. */
async function engineFor(model: string, more: Partial<EngineSettings> = {}): Promise<Engine> {
  await modelPath(model)
  const settings = engineSettings(folder, { program, model, ...more })
  return whisperCpp.create(settings, await whisperCpp.probe(settings, signal))
}

describe('whisper-cpp with whisper-cli', () => {
  it('hears what is said, and tells how far it is', async () => {
    const engine = await engineFor('base')
    const seen: number[] = []
    const onProgress = (seconds: number): void => void seen.push(seconds)
    const heard = await engine.transcribe(await requestFor(folder, { onProgress }))
    assert.equal(wordErrors(CLIPS.jfk.text, heard.segments[0]?.text ?? '').errors, 0)
    assert.deepEqual(heard.warnings, [])
    assert.equal(Math.max(...seen), 11)
    assert.deepEqual(engine.info, {
      name: 'whisper-cpp',
      model: 'base',
      device: 'cpu',
      version: '1.9.1',
    })
  })

  it('has no segments without speech', async () => {
    const engine = await engineFor('silent')
    assert.deepEqual((await engine.transcribe(await requestFor(folder))).segments, [])
  })

  it('tells the languages of several pieces by one run', async () => {
    const engine = await engineFor('base')
    const pieces = [
      await requestFor(folder),
      await requestFor(folder, { wavPath: CLIPS.austen.file }),
    ]
    assert.deepEqual(await engine.detect?.(pieces), [
      { language: 'en', probability: 0.958404 },
      { language: 'en', probability: 0.99953 },
    ])
  })

  it('goes on with a smaller model when there is too little memory and that is allowed', async () => {
    await modelPath('small')
    const engine = await engineFor('medium', {
      device: { kind: 'cuda', name: 'GPU' },
      onOutOfMemory: { smallerModel: true, cpu: false },
    })
    const slot = { index: 0, gpu: 'GPU-0' }
    const { segments, warnings } = await engine.transcribe(await requestFor(folder, { slot }))
    assert.equal(segments.length, 1)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /'small' in place of 'medium'/)
  })

  it('ends with all it started when it is cancelled', async () => {
    const engine = await engineFor('hang')
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const onProgress = (): void => stop.abort(reason)
    const request = await requestFor(folder, { signal: stop.signal, onProgress })
    await assert.rejects(engine.transcribe(request), reason)
    const pids = (await readFile(path.join(folder, 'pids'), 'utf8')).split(' ').map(Number)
    assert.equal(pids.length, 2)
    for (const pid of pids) await gone(pid)
  })

  it('ends what runs when it is closed, and can be used again', async () => {
    const engine = await engineFor('hang')
    const onProgress = (): void => void engine.close()
    await assert.rejects(
      engine.transcribe(await requestFor(folder, { onProgress })),
      code('cancelled'),
    )
    const pids = (await readFile(path.join(folder, 'pids'), 'utf8')).split(' ').map(Number)
    for (const pid of pids) await gone(pid)
    await engine.prepare({ index: 0, gpu: null }, signal)
  })
})

describe('what is found of whisper-cpp', () => {
  it('is nothing where there is no program, and no use without a model', async () => {
    const nowhere = await whisperCpp.probe(
      engineSettings(folder, { program: path.join(folder, 'nowhere') }),
      signal,
    )
    assert.equal(nowhere.usable, false)
    const empty = path.join(folder, 'empty')
    const noModel = await whisperCpp.probe(engineSettings(empty, { program }), signal)
    assert.equal(noModel.usable, false)
    assert.match(noModel.why, /models pull ggml\//)
    assert.throws(
      () => whisperCpp.create(engineSettings(empty, { program }), noModel),
      code('model_missing'),
    )
    const other = await whisperCpp.probe(engineSettings(empty, { program, model: 'tiny' }), signal)
    assert.match(other.why, /models pull ggml\/tiny/)
  })

  it('is a model by path as well', async () => {
    const file = await modelPath('base')
    const probe = await whisperCpp.probe(
      engineSettings(path.join(folder, 'empty'), { program, model: file }),
      signal,
    )
    assert.equal(probe.usable, true)
    assert.equal(probe.model, file)
    assert.equal(probe.version, '1.9.1')
  })

  it('is the most exact model that is there', () => {
    assert.equal(bestModel(['base', 'small.en', 'small', 'small-q5_1'], false), 'small')
    assert.equal(bestModel(['large-v3', 'large-v3-turbo-q5_0'], false), 'large-v3')
    assert.equal(bestModel(['large-v3', 'large-v3-turbo-q5_0'], true), 'large-v3-turbo-q5_0')
    assert.equal(bestModel(['own', 'tiny.en'], false), 'tiny.en')
    assert.equal(bestModel([], false), null)
  })
})
