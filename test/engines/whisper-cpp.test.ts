import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Engine, TranscribeRequest } from '../../agent/engines/engine.ts'
import { whisperCpp } from '../../agent/engines/whisper-cpp/definition.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError } from '../../shared/errors.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { engineSettings, OPTIONS, requestFor } from '../agent/engine-request.ts'
import { gone } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const { whisperCli, whisperServer, ggmlModel } = await prepareEngines(['whisper-cpp', 'ggml'])

/** What Whisper base may get wrong in a clip. */
const ALLOWED = 1
/** Seconds of the clips, in their order. */
const SECONDS = [11, 7.1]

async function engineOn(program: string): Promise<Engine> {
  const settings = engineSettings(folder, { program, model: ggmlModel, threads: 2 })
  return whisperCpp.create(settings, await whisperCpp.probe(settings, signal))
}

const clip = (at: number, more: Partial<TranscribeRequest> = {}) =>
  requestFor(folder, {
    wavPath: CLIPS[at]?.file ?? '',
    durationSeconds: SECONDS[at] ?? 0,
    speech: [{ start: 0, end: SECONDS[at] ?? 0 }],
    ...more,
  })

/** Running processes of that program; the system's own list, so it is known only under Linux. */
async function pidsOf(program: string): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    all.map(async (pid) => {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const [first, , , last] = line.split('\0')
      // Its guard names it too, as an argument.
      return first === program && last !== undefined ? [Number(pid)] : []
    }),
  )
  return found.flat()
}

for (const [name, program] of [
  ['whisper-cli', whisperCli],
  ['whisper-server', whisperServer],
] as const) {
  describe(`the real ${name}`, () => {
    let engine: Engine
    before(async () => {
      engine = await engineOn(program)
    })
    after(() => engine.close())

    for (const [at, { name: file, text }] of CLIPS.entries()) {
      it(`hears what is said in ${file}, and when`, async () => {
        const seen: number[] = []
        const onProgress = (seconds: number): void => void seen.push(seconds)
        const heard = await engine.transcribe(await clip(at, { onProgress }))
        const { segments } = heard
        const said = segments.map((segment) => segment.text).join(' ')
        assert.ok(wordErrors(text, said).errors <= ALLOWED, said)
        assert.equal(heard.language, 'en')
        assert.ok((heard.languageProbability ?? 0) > 0.9)
        assert.deepEqual(heard.warnings, [])
        assert.ok(seen.length > 0)
        const words = segments.flatMap((segment) => segment.words ?? [])
        assert.equal(words.map((word) => word.text).join(' '), said)
        const times = words.flatMap(({ start, end }) => [start, end])
        assert.deepEqual(
          times,
          times.toSorted((a, b) => a - b),
        )
        assert.ok((times.at(-1) ?? 99) <= (SECONDS[at] ?? 0) && (times[0] ?? -1) >= 0)
      })
    }

    it('takes language, prompt and hotwords, and a second try', async () => {
      const options = {
        ...OPTIONS,
        language: 'en',
        prompt: 'By Jane Austen.',
        hotwords: 'Dashwood',
      }
      for (const again of [false, true]) {
        const { segments } = await engine.transcribe(await clip(1, { options, again }))
        const said = segments.map((segment) => segment.text).join(' ')
        assert.ok(wordErrors(CLIPS[1].text, said).errors <= ALLOWED, said)
      }
    })

    it('tells the language of pieces', async () => {
      const heard = await engine.detect?.([await clip(0), await clip(1)])
      assert.deepEqual(
        heard?.map((one) => one?.language),
        ['en', 'en'],
      )
      assert.ok(heard.every((one) => (one?.probability ?? 0) > 0.9))
    })

    it('leaves no process behind when it is cancelled', async () => {
      const stop = new AbortController()
      const reason = new Error('cancelled')
      const before = await pidsOf(program)
      await engine.prepare({ index: 0, gpu: null }, signal)
      const heard = engine.transcribe(await clip(0, { signal: stop.signal }))
      let pids: number[] = []
      while (pids.length === 0) {
        pids = (await pidsOf(program)).filter(
          (pid) => name === 'whisper-server' || !before.includes(pid),
        )
      }
      stop.abort(reason)
      await assert.rejects(heard, reason)
      for (const pid of pids) await gone(pid)
    })

    it('says so when a model is none', async () => {
      const settings = engineSettings(folder, { program, model: path.resolve('package.json') })
      const wrong = whisperCpp.create(settings, await whisperCpp.probe(settings, signal))
      await assert.rejects(
        wrong.transcribe(await clip(1)),
        (error) => error instanceof AppError && error.code === 'model_missing',
      )
    })
  })
}

describe('the real whisper-server', () => {
  it('costs one piece when it is killed', async () => {
    const engine = await engineOn(whisperServer)
    const slot = { index: 0, gpu: null }
    const before = await pidsOf(whisperServer)
    await engine.prepare(slot, signal)
    const [pid] = (await pidsOf(whisperServer)).filter((one) => !before.includes(one))
    const heard = engine.transcribe(await clip(0))
    process.kill(pid ?? 0, 'SIGKILL')
    await assert.rejects(
      heard,
      (error) => error instanceof AppError && error.code === 'engine_failed',
    )
    const { segments } = await engine.transcribe(await clip(1))
    assert.equal(segments.length, 1)
    await engine.close()
    assert.deepEqual(
      (await pidsOf(whisperServer)).filter((one) => !before.includes(one)),
      [],
    )
  })
})
