import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { Engine, Recognised } from '../../agent/engines/engine.ts'
import { FasterWhisperEngine } from '../../agent/engines/python/faster-whisper-engine.ts'
import {
  FasterWhisperWorker,
  WorkerHangs,
} from '../../agent/engines/python/faster-whisper-worker.ts'
import { ResidentWorkers } from '../../agent/engines/python/resident-workers.ts'
import type { AppError } from '../../shared/errors.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { gone, makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { scriptedWorker, type Script, type ScriptedWorker } from './scripted-worker.ts'

const dir = tempFolder()
const signal = new AbortController().signal
const slot = { index: 0, gpu: '0' }
const LOAD = {
  request: {
    op: 'load',
    model: 'base',
    options: { device: 'cpu', compute_type: 'int8', cpu_threads: 0 },
  },
  env: {},
} as const
const ASKING = { signal, idleMs: 60_000 }

function request(wav = 'a.wav') {
  return {
    op: 'transcribe',
    wav,
    windows: [[0, 1]],
    language: null,
    batch: null,
    options: {
      task: 'transcribe',
      word_timestamps: false,
      condition_on_previous_text: false,
      vad_filter: false,
      initial_prompt: null,
      hotwords: null,
    },
  } as const
}

async function workersWith(
  t: TestContext,
  script: Script,
): Promise<{ workers: ResidentWorkers; scripted: ScriptedWorker }> {
  const scripted = await scriptedWorker(await mkdtemp(path.join(dir, 'worker-')), script)
  const workers = new ResidentWorkers(scripted.interpreter)
  t.after(async () => await workers.close())
  return { workers, scripted }
}

/** An engine on a GPU with three models, over the stand-in; `cli` is what it falls back to. */
async function engineWith(
  t: TestContext,
  script: Script,
  more: Partial<EngineSettings> = {},
): Promise<{ engine: Engine; scripted: ScriptedWorker }> {
  const scripted = await scriptedWorker(await mkdtemp(path.join(dir, 'engine-')), script)
  const models = ['large-v3', 'large-v3-turbo', 'base.en']
  const cli: Engine = {
    info: { name: 'faster-whisper', model: 'large-v3', device: 'GPU', version: '1' },
    abilities: {
      languages: null,
      translate: true,
      words: true,
      speakers: false,
      prompt: true,
      hotwords: true,
      partSeconds: 1800,
    },
    prepare: async () => undefined,
    transcribe: async () => ({ language: 'en', segments: [], warnings: ['by the program'] }),
    detect: async (pieces) => pieces.map(() => ({ language: 'fr', probability: 0.5 })),
    close: async () => undefined,
  }
  const setup = {
    program: 'whisper-ctranslate2',
    model: 'large-v3',
    models: new Map(models.map((name) => [name, name === 'large-v3' ? '/models/large' : null])),
    threads: 3,
    gpu: true,
    env: {},
  }
  const engine = new FasterWhisperEngine(
    scripted.interpreter,
    setup,
    engineSettings(dir, { device: { kind: 'cuda', name: 'GPU' }, ...more }),
    { models, cli, idleMs: 500 },
  )
  t.after(async () => await engine.close())
  return { engine, scripted }
}

async function transcribed(
  engine: Engine,
  more: Parameters<typeof requestFor>[1] = {},
): Promise<Recognised> {
  return await engine.transcribe(await requestFor(dir, { slot, ...more }))
}

describe('workers of faster-whisper', () => {
  it('load a model once for the requests of a slot', async (t) => {
    const { workers, scripted } = await workersWith(t, {})
    await workers.prepare(slot, LOAD, signal)
    for (const wav of ['a.wav', 'b.wav']) await workers.ask(slot, LOAD, request(wav), ASKING)
    const requests = await scripted.requests()
    assert.deepEqual(
      requests.map(({ op }) => op),
      ['load', 'transcribe', 'transcribe'],
    )
    assert.equal(new Set(requests.map(({ pid }) => pid)).size, 1)
  })

  it('are replaced once for another model, one at a time', async (t) => {
    const { workers, scripted } = await workersWith(t, {})
    const other = { ...LOAD, request: { ...LOAD.request, model: 'small' } }
    await workers.ask(slot, LOAD, request(), ASKING)
    await workers.ask(slot, other, request(), ASKING)
    await workers.ask(slot, other, request(), ASKING)
    const requests = await scripted.requests()
    const loads = requests.filter(({ op }) => op === 'load')
    assert.deepEqual(
      loads.map(({ model }) => model),
      ['base', 'small'],
    )
    await gone(loads[0]!.pid)
  })

  it('are replaced when their memory has grown by half beyond that of the first ten requests', async (t) => {
    // A long recording after a short one takes more memory, and is no leak.
    const bytes = [1000, ...Array<number>(9).fill(2000), 3000, 3001]
    const { workers, scripted } = await workersWith(t, { bytes })
    for (let n = 0; n < 13; n++) await workers.ask(slot, LOAD, request(), ASKING)
    const pids = (await scripted.requests()).flatMap(({ op, pid }) =>
      op === 'transcribe' ? [pid] : [],
    )
    assert.equal(new Set(pids.slice(0, 12)).size, 1)
    assert.notEqual(pids[11], pids[12])
  })

  it('are replaced after two hundred requests', async (t) => {
    const { workers, scripted } = await workersWith(t, {})
    for (let n = 0; n < 201; n++) await workers.ask(slot, LOAD, request(), ASKING)
    const loads = (await scripted.requests()).filter(({ op }) => op === 'load')
    assert.equal(loads.length, 2)
  })

  it('are asked once more after a hang, in a new process', async (t) => {
    const { workers, scripted } = await workersWith(t, { hangs: 1 })
    let begun = 0
    const answer = await workers.ask(slot, LOAD, request(), {
      signal,
      idleMs: 1500,
      onBegin: () => (begun += 1),
    })
    assert.deepEqual([begun, answer.language], [2, 'en'])
    const [first] = await scripted.requests()
    await gone(first!.pid)
  })

  it('fail with the reason when they hang twice', async (t) => {
    const { workers } = await workersWith(t, { hangs: 2 })
    await assert.rejects(
      workers.ask(slot, LOAD, request(), { signal, idleMs: 1500 }),
      (error) => error instanceof WorkerHangs && /printed nothing for/.test(error.message),
    )
  })

  it('fail when they print what is no event, and are gone then', async (t) => {
    const { workers, scripted } = await workersWith(t, { junk: 'Downloading 3 %' })
    await assert.rejects(
      workers.ask(slot, LOAD, request(), ASKING),
      (error: AppError) =>
        error.code === 'engine_failed' && error.message.includes('Downloading 3 %'),
    )
    await gone((await scripted.requests())[0]!.pid)
  })

  it('are gone when their request is aborted, which throws the reason', async (t) => {
    const { workers, scripted } = await workersWith(t, { hangs: 1 })
    const controller = new AbortController()
    const reason = new Error('enough')
    await workers.prepare(slot, LOAD, signal)
    const running = workers.ask(slot, LOAD, request(), { ...ASKING, signal: controller.signal })
    while ((await scripted.requests()).length < 2) await turn()
    controller.abort(reason)
    await assert.rejects(running, (error) => error === reason)
    await gone((await scripted.requests())[0]!.pid)
  })

  it('say so where there is no such Python', async () => {
    const worker = new FasterWhisperWorker(path.join(dir, 'no-python'), {})
    await assert.rejects(worker.ask(LOAD.request, ASKING), { code: 'engine_failed' })
    assert.equal(worker.isAlive, false)
  })
})

describe('the engine over workers', () => {
  it('asks for windows of at most 28 s of speech, in batches on a GPU', async (t) => {
    const { engine, scripted } = await engineWith(t, {})
    const progress: number[] = []
    const speech = [
      { start: 1, end: 20 },
      { start: 22, end: 30 },
      { start: 31, end: 100 },
    ]
    const { segments, language, languageProbability } = await transcribed(engine, {
      speech,
      wavPath: await makeSilence(dir, 101),
      durationSeconds: 101,
      onProgress: (seconds) => progress.push(seconds),
    })
    const [load, asked] = await scripted.requests()
    assert.deepEqual(
      [load?.['model'], load?.['options']],
      ['/models/large', { device: 'cuda', compute_type: 'default', cpu_threads: 3 }],
    )
    assert.equal(asked?.['batch'], 8)
    const windows = asked?.['windows'] as [number, number][]
    const lengths = windows.map(([start, end]) => end - start)
    assert.ok(Math.min(...lengths) > 0 && Math.max(...lengths) <= 28, lengths.join())
    for (const { start, end } of speech) {
      const covered = windows.reduce(
        (sum, [from, to]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)),
        0,
      )
      assert.ok(Math.abs(covered - (end - start)) < 1e-6)
    }
    assert.deepEqual([language, languageProbability], ['en', 0.9])
    assert.equal(segments.length, windows.length)
    assert.deepEqual(
      progress,
      windows.map(([, end]) => end),
    )
  })

  it('halves batches that do not fit, in new processes, and remembers what fits', async (t) => {
    const { engine, scripted } = await engineWith(t, { largestBatch: 2 })
    const first = await transcribed(engine)
    const second = await transcribed(engine)
    const requests = await scripted.requests()
    const batches = requests.flatMap(({ op, batch }) => (op === 'transcribe' ? [batch] : []))
    assert.deepEqual(batches, [8, 4, 2, 2])
    assert.equal(new Set(requests.map(({ pid }) => pid)).size, 3)
    assert.match(first.warnings.join(), /with batches of 2/)
    assert.deepEqual(second.warnings, first.warnings)
    assert.equal(first.segments.length, 1)
  })

  it('begins with the batch for which a GPU has memory, and settles it for each model', async (t) => {
    const device = { kind: 'cuda', name: 'GPU', freeMb: 5800 } as const
    const { engine, scripted } = await engineWith(t, { largestBatch: 8 }, { device })
    const turbo = { options: { ...OPTIONS, model: 'large-v3-turbo' } }
    for (const more of [{}, turbo, {}, turbo]) await transcribed(engine, more)
    const asked = (await scripted.requests()).filter(({ op }) => op === 'transcribe')
    assert.deepEqual(
      asked.map(({ batch }) => batch),
      [2, 16, 8, 2, 8],
    )
  })

  it('detects languages with the model that the job names, without another load after it', async (t) => {
    const { engine, scripted } = await engineWith(t, {})
    const piece = await requestFor(dir, { slot })
    const found = await engine.detect?.([piece, piece], 'large-v3-turbo', ['de', 'jv'])
    await transcribed(engine, { options: { ...OPTIONS, model: 'large-v3-turbo' } })
    assert.deepEqual(found, Array(2).fill({ language: 'de', probability: 0.75 }))
    const requests = await scripted.requests()
    const loads = requests.filter(({ op }) => op === 'load')
    assert.deepEqual(
      loads.map(({ model }) => model),
      ['large-v3-turbo'],
    )
    const asked = requests.find(({ op }) => op === 'detect')
    assert.deepEqual(asked?.['languages'], ['de', 'jw'])
  })

  it('gives a second try no batch, prompt and hotwords, and an English model its language', async (t) => {
    const { engine, scripted } = await engineWith(t, {})
    const options = { ...OPTIONS, prompt: 'Mrs. Dashwood', hotwords: 'Norland', model: 'base.en' }
    await transcribed(engine, { options })
    await transcribed(engine, { options, again: true })
    const usual = { ...request().options, word_timestamps: true }
    const checks = { temperature: [0.2, 0.4, 0.6], hallucination_silence_threshold: 2 }
    const asked = (await scripted.requests()).filter(({ op }) => op === 'transcribe')
    assert.deepEqual(
      asked.map(({ batch, language, options: given }) => [batch, language, given]),
      [
        [8, 'en', { ...usual, initial_prompt: 'Mrs. Dashwood', hotwords: 'Norland' }],
        [null, 'en', { ...usual, ...checks, initial_prompt: null, hotwords: null }],
      ],
    )
  })

  it('leaves a piece to the program when its workers hang, and says so', async (t) => {
    const { engine } = await engineWith(t, { hangs: 2 })
    const { warnings } = await transcribed(engine, { durationSeconds: 0.5 })
    assert.equal(warnings[0], 'by the program')
    assert.match(warnings[1]!, /hangs.*whisper-ctranslate2 was used in its place/)
  })

  it('leaves pieces to the program where the Python lacks faster_whisper', async (t) => {
    const text = "ModuleNotFoundError: No module named 'faster_whisper'"
    const { engine, scripted } = await engineWith(t, {
      junk: JSON.stringify({ event: 'failed', text }),
    })
    await engine.prepare(slot, signal)
    const { warnings } = await transcribed(engine)
    assert.match(warnings[1]!, /lacks the Python module faster_whisper/)
    const piece = await requestFor(dir, { slot })
    assert.deepEqual(await engine.detect?.([piece]), [{ language: 'fr', probability: 0.5 }])
    assert.equal((await scripted.requests()).length, 1)
  })
})
