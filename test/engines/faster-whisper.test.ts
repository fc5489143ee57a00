import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { AudioPiece, Engine, Recognised, SpeechOptions } from '../../agent/engines/engine.ts'
import { fasterWhisper, fasterWhisperCli } from '../../agent/engines/python/faster-whisper.ts'
import {
  FasterWhisperWorker,
  WORKER_SCRIPT,
} from '../../agent/engines/python/faster-whisper-worker.ts'
import { interpreterOf } from '../../agent/engines/python/program.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import type { AppError } from '../../shared/errors.ts'
import { family } from '../../scripts/process-tree.ts'
import { engineSettings, OPTIONS } from '../agent/engine-request.ts'
import { ffmpeg, gone as goneProcess, makeSilence } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { long } from './scenes.ts'
import { watchFamily } from './watch.ts'

const dir = tempFolder()
const signal = new AbortController().signal
const [jfk, austen] = CLIPS
const DURATIONS = { 'jfk.wav': 11, 'austen.wav': 7.1 }

let settings: EngineSettings
let engine: Engine

before(async () => {
  const { ct2Model, ctranslate2Program } = await prepareEngines(['weights', 'ctranslate2'])
  settings = engineSettings(dir, { model: ct2Model, program: ctranslate2Program, threads: 2 })
})

/** How faster-whisper is run: by our worker, or by a process per piece. */
const KINDS = {
  'the resident worker': fasterWhisper.create.bind(fasterWhisper),
  'whisper-ctranslate2': fasterWhisperCli,
} as const

async function made(
  kind: keyof typeof KINDS,
  change: Partial<EngineSettings> = {},
): Promise<Engine> {
  const changed = { ...settings, ...change }
  const probe = await fasterWhisper.probe(changed, signal)
  assert.ok(probe.usable, probe.why)
  return KINDS[kind](changed, probe)
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
    options: { ...OPTIONS, ...options },
    speech: [{ start: 0, end: seconds }],
    again,
    onProgress: (done) => progress.push(done),
  })
  return { ...result, text: result.segments.map(({ text }) => text).join(' '), progress }
}

for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
  describe(`real faster-whisper by ${kind}, with Whisper base`, () => {
    before(async () => {
      engine = await made(kind)
    })
    after(async () => await engine.close())

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

    it('recognises the same in batches, and at a second try', async () => {
      const batches = await made(kind, { batchSize: 4 })
      const once = await heard(jfk.file, 11, { language: 'en' }, { by: batches })
      assert.ok(wordErrors(jfk.text, once.text).errors <= 1, once.text)
      const again = await heard(jfk.file, 11, { language: 'en' }, { by: batches, again: true })
      // It draws lots at a higher temperature.
      assert.ok(wordErrors(jfk.text, again.text).errors <= 4, again.text)
      await batches.close()
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

    it('detects the language of several pieces in one process', async () => {
      const silence = await makeSilence(dir, 3)
      const pieces = await Promise.all([
        pieceOf(jfk.file, 11),
        pieceOf(silence, 3),
        pieceOf(austen.file, 7.1),
      ])
      const [first, , third] = (await engine.detect?.(pieces)) ?? []
      for (const found of [first, third]) {
        assert.equal(found?.language, 'en')
        assert.ok(found.probability! > 0.8)
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
      const file = path.join(dir, 'text.wav')
      await writeFile(file, 'no audio')
      await assert.rejects(heard(file, 1), (error: AppError) =>
        ['engine_failed', 'invalid_media'].includes(error.code),
      )
    })

    it('refuses a language that it does not know', async () => {
      await assert.rejects(
        heard(jfk.file, 11, { language: 'xx' }),
        (error: AppError) =>
          error.code === 'unsupported_language' && error.message.includes("'xx'"),
      )
    })

    it('is cancelled midway', async () => {
      const controller = new AbortController()
      const reason = new Error('enough')
      const piece = await pieceOf(jfk.file, 11)
      const running = engine.transcribe({
        ...piece,
        signal: controller.signal,
        options: OPTIONS,
        speech: [{ start: 0, end: 11 }],
        again: false,
        onProgress: () => controller.abort(reason),
      })
      await assert.rejects(running, (error) => error === reason)
    })
  })
}

describe('the real worker', () => {
  before(async () => {
    engine = await made('the resident worker')
  })
  after(async () => await engine.close())

  it('is one process for prepare, detect and transcribe, and gone after close', async () => {
    const family = watchFamily(process.pid)
    await engine.prepare({ index: 0, gpu: null }, signal)
    await engine.detect?.([await pieceOf(jfk.file, 11)])
    await heard(jfk.file, 11)
    await heard(austen.file, 7.1)
    const workers = workerPids()
    assert.equal(workers.length, 1)
    await engine.close()
    await family.gone()
    assert.deepEqual(workerPids(), [])
  })

  it('that is killed in the middle costs that piece alone', async () => {
    const { file } = await long(dir, 6)
    let killed = 0
    const running = engine.transcribe({
      ...(await pieceOf(file, 6 * 18.1)),
      options: OPTIONS,
      speech: [{ start: 0, end: 6 * 18.1 }],
      again: false,
      onProgress() {
        for (const pid of killed++ === 0 ? workerPids() : []) process.kill(pid, 'SIGKILL')
      },
    })
    await assert.rejects(running, (error: AppError) => error.code === 'engine_failed')
    const { text } = await heard(jfk.file, 11)
    assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
  })

  for (const [how, batchSize] of [
    ['in windows', null],
    ['in batches of windows', 4],
  ] as const) {
    it(`loses no word of a long recording, ${how}`, async (t) => {
      const { file, said } = await long(dir, 9)
      const seconds = 9 * 18.1
      const by = await made('the resident worker', { batchSize })
      t.after(() => by.close())
      const { text, segments } = await heard(file, seconds, { language: 'en' }, { by })
      const whole = said.map((one) => one.text).join(' ')
      const { errors, words } = wordErrors(whole, text)
      assert.ok(errors <= words * 0.05, `${errors} of ${words}`)
      assert.ok((segments.at(-1)?.end ?? 0) > seconds - 3)
    })
  }

  it('gives the same text for a language that it detects as for one that it is told', async () => {
    for (const clip of CLIPS) {
      const [told, found] = [
        await heard(clip.file, DURATIONS[clip.name], { language: 'en' }),
        await heard(clip.file, DURATIONS[clip.name]),
      ]
      assert.deepEqual(found.segments, told.segments)
      assert.equal(told.languageProbability, undefined)
    }
  })

  it('is cancelled in the middle of a long recording, and gone; the next job has a new one', async () => {
    const { file } = await long(dir, 6)
    const controller = new AbortController()
    const reason = new Error('enough')
    let reached = 0
    const running = engine.transcribe({
      ...(await pieceOf(file, 6 * 18.1)),
      signal: controller.signal,
      options: OPTIONS,
      speech: [{ start: 0, end: 6 * 18.1 }],
      again: false,
      onProgress(seconds) {
        reached = seconds
        if (seconds > 30) controller.abort(reason)
      },
    })
    await assert.rejects(running, (error) => error === reason)
    assert.ok(reached < 6 * 18.1 - 20, `${reached} s were done`)
    assert.deepEqual(workerPids(), [])
    const { text } = await heard(jfk.file, 11)
    assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
  })

  it('loads the model that a job names once, and the usual one once after it', async (t) => {
    await engine.close()
    const modelsDir = await mkdtemp(path.join(dir, 'models-'))
    await mkdir(path.join(modelsDir, 'ctranslate2'))
    for (const name of ['base', 'other']) {
      await symlink(settings.model!, path.join(modelsDir, 'ctranslate2', name))
    }
    const two = await made('the resident worker', { modelsDir, model: 'base' })
    t.after(() => two.close())
    const slot = { index: 0, gpu: null }
    const pids: (number | undefined)[] = []
    for (const model of ['other', null]) {
      await two.prepare(slot, signal, model)
      pids.push(workerPids()[0])
      await two.detect?.([await pieceOf(jfk.file, 11)], model)
      const { text } = await heard(jfk.file, 11, { model }, { by: two })
      assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
      assert.deepEqual(workerPids(), [pids.at(-1)])
    }
    assert.equal(new Set(pids).size, 2)
  })

  it('that gets too little memory fails with the reason, and the next one works', async () => {
    const { ctranslate2Program } = await prepareEngines(['ctranslate2'])
    const python = interpreterOf(ctranslate2Program)!
    const small = path.join(dir, 'python-with-little-memory')
    await writeFile(small, `#!/bin/sh\nulimit -v 700000\nexec '${python}' "$@"\n`, { mode: 0o755 })
    const worker = new FasterWhisperWorker(small, {})
    const load = {
      op: 'load',
      model: settings.model!,
      options: { device: 'cpu', compute_type: 'float32', cpu_threads: 2 },
    } as const
    await assert.rejects(
      worker.ask(load, { signal, idleMs: 60_000 }),
      (error: AppError) => error.code === 'engine_failed',
    )
    assert.equal(worker.isAlive, false)
  })

  it('whose memory is full in the middle of a recording says so, and the next one works', async (t) => {
    await engine.close()
    const { ctranslate2Program } = await prepareEngines(['ctranslate2'])
    const folder = await mkdtemp(path.join(dir, 'little-memory-'))
    const program = path.join(folder, 'whisper-ctranslate2')
    await writeFile(program, `#!/bin/sh\nexec '${ctranslate2Program}' "$@"\n`, { mode: 0o755 })
    const python = interpreterOf(ctranslate2Program)!
    // Enough for a window, and not for the attention of 23 at once.
    const limited = `#!/bin/sh\nulimit -v 1800000\nexec '${python}' "$@"\n`
    await writeFile(path.join(folder, 'python3'), limited, { mode: 0o755 })
    const small = await made('the resident worker', { program, batchSize: 32 })
    t.after(() => small.close())
    const { file } = await long(dir, 33)
    await assert.rejects(
      heard(file, 33 * 18.1, { language: 'en', words: false }, { by: small }),
      (error: AppError) => error.code === 'engine_failed' && /main memory/.test(error.message),
    )
    assert.deepEqual(workerPids(), [])
    const { text } = await heard(jfk.file, 11, {}, { by: small })
    assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
  })

  it('without its model says which file is missing', async () => {
    const folder = path.join(dir, 'a-model')
    await cp(settings.model!, folder, { recursive: true })
    const other = await made('the resident worker', { model: folder })
    await rm(path.join(folder, 'model.bin'))
    await assert.rejects(heard(jfk.file, 11, {}, { by: other }), { code: 'model_missing' })
    await other.close()
  })

  it('holds after a hundred recordings at most a fifth more memory than after ten', async () => {
    const bytes: number[] = []
    for (let n = 1; n <= 100; n++) {
      await heard(austen.file, 7.1, { language: 'en', words: false })
      if (n === 10 || n === 100) bytes.push(memoryOf(workerPids()[0]!))
    }
    assert.ok(bytes[1]! <= bytes[0]! * 1.2, `${bytes[0]} to ${bytes[1]} bytes`)
  })

  it('ends with an agent that is killed', async () => {
    const script = path.join(dir, 'agent.mts')
    const module = new URL('../../agent/engines/python/faster-whisper-worker.ts', import.meta.url)
    const { ctranslate2Program } = await prepareEngines(['ctranslate2'])
    await writeFile(
      script,
      `import { FasterWhisperWorker } from ${JSON.stringify(module.href)}
       const worker = new FasterWhisperWorker(${JSON.stringify(interpreterOf(ctranslate2Program))}, {})
       const load = { op: 'load', model: ${JSON.stringify(settings.model)}, options: { device: 'cpu', compute_type: 'int8', cpu_threads: 1 } }
       await worker.ask(load, { signal: new AbortController().signal, idleMs: 60_000 })
       console.log(worker.pid)`,
    )
    const child = execFile(process.execPath, ['--import', 'tsx', script])
    const [line] = (await once(child.stdout!, 'data')) as [string]
    child.kill('SIGKILL')
    await goneProcess(Number(line))
  })
})

describe('a host that has only whisper-ctranslate2', () => {
  /** The real program behind a script that `python` runs, or none. */
  async function behind(python: string | null): Promise<Engine> {
    const folder = await mkdtemp(path.join(dir, 'program-'))
    const program = path.join(folder, 'whisper-ctranslate2')
    const real = settings.program!
    const script =
      python === null
        ? `#!/bin/sh\nexec '${real}' "$@"\n`
        : `#!${python}\nimport os, sys\nos.execv('${real}', ['${real}', *sys.argv[1:]])\n`
    await writeFile(program, script, { mode: 0o755 })
    return await made('the resident worker', { program })
  }

  const HOSTS: [what: string, python: string | null, warns: boolean][] = [
    ['as a program of its own', null, false],
    ['with a Python that lacks faster_whisper', '/usr/bin/python3', true],
  ]
  for (const [what, python, warns] of HOSTS) {
    it(`recognises, and detects languages, ${what}`, async (t) => {
      const by = await behind(python)
      t.after(() => by.close())
      await by.prepare({ index: 0, gpu: null }, signal)
      const { text, warnings } = await heard(jfk.file, 11, {}, { by })
      assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
      assert.equal(warnings.length, warns ? 1 : 0, warnings.join())
      const [found] = (await by.detect?.([await pieceOf(jfk.file, 11)])) ?? []
      assert.equal(found?.language, 'en')
      assert.deepEqual(workerPids(), [])
    })
  }
})

/** Our workers' processes. */
function workerPids(): number[] {
  return family(process.pid).filter((pid) => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return args[1] === WORKER_SCRIPT
    } catch {
      return false
    }
  })
}

/** Resident memory in bytes. */
function memoryOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}
