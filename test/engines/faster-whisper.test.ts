import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, it } from 'node:test'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { AudioPiece, Engine, Recognised, SpeechOptions } from '../../agent/engines/engine.ts'
import { fasterWhisper } from '../../agent/engines/python/faster-whisper.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import type { AppError } from '../../shared/errors.ts'
import { ffmpeg, makeSilence, tempFolder } from '../agent/fixtures.ts'

const dir = tempFolder()
const signal = new AbortController().signal
const [jfk, austen] = CLIPS
const DURATIONS = { 'jfk.wav': 11, 'austen.wav': 7.1 }

let settings: EngineSettings
let engine: Engine

const plain: SpeechOptions = {
  language: null,
  task: 'transcribe',
  prompt: null,
  hotwords: null,
  words: true,
  speakers: null,
  model: null,
}

before(async () => {
  const { ct2Model, ctranslate2Program } = await prepareEngines(['weights', 'ctranslate2'])
  settings = {
    modelsDir: dir,
    model: ct2Model,
    program: ctranslate2Program,
    url: null,
    command: null,
    commandOutput: 'whisper-json',
    computeType: null,
    batchSize: null,
    threads: 2,
    device: { kind: 'cpu', name: 'cpu' },
    onOutOfMemory: { smallerModel: false, cpu: false },
    offline: true,
  }
  engine = await made({})
})

async function made(change: Partial<EngineSettings>): Promise<Engine> {
  const changed = { ...settings, ...change }
  const probe = await fasterWhisper.probe(changed, signal)
  assert.ok(probe.usable, probe.why)
  return fasterWhisper.create(changed, probe)
}

async function pieceOf(wavPath: string, durationSeconds: number): Promise<AudioPiece> {
  const workDir = await mkdtemp(path.join(dir, 'work-'))
  return { wavPath, durationSeconds, workDir, slot: { index: 0, gpu: null }, signal }
}

async function heard(
  wavPath: string,
  seconds: number,
  options: Partial<SpeechOptions> = {},
  { by = engine, again = false }: { by?: Engine; again?: boolean } = {},
): Promise<Recognised & { text: string; progress: number[] }> {
  const progress: number[] = []
  const result = await by.transcribe({
    ...(await pieceOf(wavPath, seconds)),
    options: { ...plain, ...options },
    speech: [{ start: 0, end: seconds }],
    again,
    onProgress: (done) => progress.push(done),
  })
  return { ...result, text: result.segments.map(({ text }) => text).join(' '), progress }
}

describe('the real whisper-ctranslate2 with Whisper base', () => {
  for (const clip of CLIPS) {
    it(`understands ${clip.name}, with the time of each word`, async () => {
      const seconds = DURATIONS[clip.name]
      const { text, language, languageProbability, segments, progress } = await heard(
        clip.file,
        seconds,
      )
      assert.ok(wordErrors(clip.text, text).errors <= clip.allowed, text)
      assert.equal(language, 'en')
      assert.ok((languageProbability ?? 0) > 0.8)
      const words = segments.flatMap((segment) => segment.words ?? [])
      assert.equal(words.map((word) => word.text).join(' '), text)
      const times = words.flatMap(({ start, end }) => [start, end])
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.ok(times.every((time) => time >= 0 && time <= seconds))
      assert.equal(progress.length, segments.length)
      assert.ok(segments.every(({ avgLogprob }) => typeof avgLogprob === 'number'))
    })
  }

  it('understands the same in batches, and at a second try', async () => {
    const batches = await made({ batchSize: 4 })
    const once = await heard(jfk.file, 11, { language: 'en' }, { by: batches })
    assert.ok(wordErrors(jfk.text, once.text).errors <= 1, once.text)
    const again = await heard(jfk.file, 11, { language: 'en' }, { by: batches, again: true })
    // It draws lots at a higher temperature.
    assert.ok(wordErrors(jfk.text, again.text).errors <= 4, again.text)
  })

  it('takes a prompt, hotwords and a number of threads', async () => {
    const options = {
      language: 'en',
      prompt: '- Mrs. Dashwood',
      hotwords: 'Dashwood',
      words: false,
    }
    const { text, segments } = await heard(austen.file, 7.1, options)
    assert.ok(wordErrors(austen.text, text).errors <= 1, text)
    assert.equal(segments[0]?.words, undefined)
  })

  it('hears the language of several pieces in one process', async () => {
    const silence = await makeSilence(dir, 3)
    const pieces = await Promise.all([
      pieceOf(jfk.file, 11),
      pieceOf(silence, 3),
      pieceOf(austen.file, 7.1),
    ])
    const [first, , third] = (await engine.detect?.(pieces)) ?? []
    for (const found of [first, third]) {
      assert.equal(found?.language, 'en')
      assert.ok(found.probability > 0.8)
    }
  })

  it('says of what it makes up without speech how unsure it is, and stays in the piece', async () => {
    const noise =
      await ffmpeg`-f lavfi -i anoisesrc=a=0.01:r=16000:d=6 -ac 1 ${path.join(dir, 'noise.wav')}`
    for (const file of [await makeSilence(dir, 6), noise]) {
      const { segments } = await heard(file, 6)
      for (const { start, end, noSpeechProb, avgLogprob } of segments) {
        assert.ok(start >= 0 && end <= 6)
        assert.ok((noSpeechProb ?? 0) > 0.6 || (avgLogprob ?? 0) < -0.7)
      }
    }
  })

  it('fails on a file that is no audio, though the program ends with code 0', async () => {
    const file =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 0.1 ${path.join(dir, 'x.wav')}`
    await assert.rejects(
      heard(`${file}.gone.wav`, 1),
      (error: AppError) =>
        error.code === 'engine_failed' && error.message.includes('No such file or directory'),
    )
  })

  it('refuses a language that it does not know', async () => {
    await assert.rejects(
      heard(jfk.file, 11, { language: 'xx' }),
      (error: AppError) => error.code === 'unsupported_language' && error.message.includes("'xx'"),
    )
  })

  it('is cancelled midway', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const piece = await pieceOf(jfk.file, 11)
    const running = engine.transcribe({
      ...piece,
      signal: controller.signal,
      options: plain,
      speech: [{ start: 0, end: 11 }],
      again: false,
      onProgress: () => controller.abort(reason),
    })
    await assert.rejects(running, (error) => error === reason)
  })
})
