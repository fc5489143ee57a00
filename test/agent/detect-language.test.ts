import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import type { AudioPiece, Detected, Engine } from '../../agent/engines/engine.ts'
import { detectLanguages } from '../../agent/transcription/detect-language.ts'
import { AppError } from '../../shared/errors.ts'
import { makeSilence, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const workDir = tempFolder()
const wavPath = await makeSilence(workDir, 400)
const TWENTY_WINDOWS = { seconds: 200 }
const ENGLISH = { language: 'en', probability: 0.9 }

/** A fake engine: of the real ones none fails when it is told to. */
function engine(
  detect: NonNullable<Engine['detect']>,
  abilities: { quickDetection?: true },
): Engine {
  return {
    info: { name: 'fake', model: 'none', device: 'cpu', version: '1' },
    abilities: {
      ...TEXT_ALONE,
      languages: null,
      partSeconds: 60,
      ...abilities,
    },
    prepare: () => Promise.resolve(),
    detect,
    transcribe: () => Promise.reject(new Error('it is not asked')),
    close: () => Promise.resolve(),
  }
}

/** Speech of 4 s every 5 s, up to that second. */
const speechUntil = (end: number) =>
  Array.from({ length: Math.floor(end / 5) }, (_, i) => ({ start: i * 5, end: i * 5 + 4 }))

const detectIn = async (
  detect: NonNullable<Engine['detect']>,
  {
    seconds = 400,
    languages = null,
    gpu = null,
    signal = new AbortController().signal,
    ...abilities
  }: {
    seconds?: number
    languages?: string[] | null
    gpu?: string | null
    quickDetection?: true
    signal?: AbortSignal
  } = {},
) =>
  await detectLanguages(engine(detect, abilities), {
    wavPath,
    speech: speechUntil(seconds),
    languages,
    workDir,
    slot: { index: 0, gpu },
    signal,
    model: null,
  })

const lengths = (pieces: readonly AudioPiece[]): number[] =>
  pieces.map(({ durationSeconds }) => Math.round(durationSeconds))

describe('the languages of a recording', () => {
  it('are one where its samples agree: one of each minute of speech, of each half where that is quick', async () => {
    const asked: number[][] = []
    const { runs, warning } = await detectIn((pieces) => {
      asked.push(lengths(pieces))
      return Promise.resolve(pieces.map(() => ENGLISH))
    })
    assert.deepEqual(runs, [{ start: 0, language: 'en', probability: 0.9 }])
    assert.equal(warning, null)
    // 320 s of speech.
    assert.equal(asked.length, 1)
    assert.equal(asked[0]?.length, 6)
    assert.ok(asked[0].every((seconds) => seconds <= 10))
    assert.deepEqual(
      (await readdir(workDir)).filter((name) => name === 'language'),
      [],
    )
    const halves: Engine['detect'] = (pieces) => {
      asked.push(lengths(pieces))
      return Promise.resolve(pieces.map(() => ENGLISH))
    }
    await detectIn(halves, { quickDetection: true })
    assert.equal(asked.at(-1)?.length, 11)
  })

  it('change at a pause: it is in all speech if two samples differ, or between these where that is slow', async () => {
    const asked: number[] = []
    const halves: Engine['detect'] = (pieces) => {
      asked.push(pieces.length)
      const answers = pieces.map((_, at): Detected => ({
        language: at >= pieces.length / 2 ? 'de' : 'en',
        probability: 0.9,
      }))
      return Promise.resolve(answers)
    }
    const quick = await detectIn(halves, { ...TWENTY_WINDOWS, quickDetection: true })
    assert.deepEqual(asked.splice(0), [6, 20, 4])
    const slow = await detectIn(halves, TWENTY_WINDOWS)
    assert.deepEqual(asked, [3, 8, 4])
    for (const { runs } of [quick, slow]) {
      assert.deepEqual(
        runs.map(({ language }) => language),
        ['en', 'de'],
      )
      assert.equal(runs[1]!.start % 5, 0)
    }
    assert.equal(quick.runs[1]?.start, 100)
  })

  it('are those of the samples, also where all speech is looked at', async () => {
    let round = 0
    const { runs } = await detectIn(
      (pieces) => {
        round += 1
        const others: Detected = { language: 'nn', probability: 0.9 }
        return Promise.resolve(
          pieces.map((_, at) => {
            const language = at >= pieces.length / 2 ? 'de' : 'en'
            return round === 2 && at % 2 === 1 ? others : { language, probability: 0.9 }
          }),
        )
      },
      { ...TWENTY_WINDOWS, quickDetection: true },
    )
    assert.deepEqual(
      runs.map(({ language }) => language),
      ['en', 'de'],
    )
  })

  it('are not detected of half a minute, which the engine does itself, but of a choice', async () => {
    const asked: unknown[] = []
    const detect: Engine['detect'] = (pieces, model, languages) => {
      asked.push([pieces.length, model, languages])
      return Promise.resolve(pieces.map(() => ({ language: 'de', probability: 0.7 })))
    }
    assert.deepEqual((await detectIn(detect, { seconds: 35 })).runs, [])
    assert.deepEqual(asked, [])
    const { runs } = await detectIn(detect, { seconds: 35, languages: ['de', 'fr'] })
    assert.deepEqual(asked, [[1, null, ['de', 'fr']]])
    assert.deepEqual(runs, [{ start: 0, language: 'de', probability: 0.7 }])
  })

  it('are chosen from those of the job, but for the place where they change', async () => {
    const asked: unknown[] = []
    await detectIn(
      (pieces, _, languages) => {
        asked.push(languages)
        const language = (at: number): string => (at >= pieces.length / 2 ? 'de' : 'en')
        return Promise.resolve(pieces.map((__, at) => ({ language: language(at), probability: 1 })))
      },
      { ...TWENTY_WINDOWS, languages: ['en', 'de'] },
    )
    assert.deepEqual(asked, [['en', 'de'], ['en', 'de'], null])
  })

  it('are none that the job has left out', async () => {
    const { runs } = await detectIn(
      (pieces) =>
        Promise.resolve(
          pieces.map((_, at) => (at === 0 ? ENGLISH : { language: 'de', probability: 0.8 })),
        ),
      { languages: ['de', 'fr'] },
    )
    assert.deepEqual(runs, [{ start: 0, language: 'de', probability: 0.8 }])
  })

  it('are the first of a choice, with a warning, where none of it is detected', async () => {
    const { runs, warning } = await detectIn(
      (pieces) => Promise.resolve(pieces.map(() => ENGLISH)),
      { languages: ['de', 'fr'] },
    )
    assert.deepEqual(runs, [{ start: 0, language: 'de', probability: 0 }])
    assert.match(warning ?? '', /None of the languages de, fr .* recognised as de\./)
  })

  it('are asked for by few pieces at a time, which are gone then', async () => {
    const asked: number[] = []
    await detectIn(
      async (pieces) => {
        asked.push(pieces.length)
        const there = await readdir(path.join(workDir, 'language'))
        assert.equal(there.filter((name) => name.endsWith('.wav')).length, pieces.length)
        return pieces.map((_, at) => ({ language: at % 2 === 0 ? 'en' : 'de', probability: 0.9 }))
      },
      { quickDetection: true },
    )
    assert.ok(asked.includes(32) && Math.max(...asked) === 32, asked.join())
  })

  it('are left open, with a warning, when the engine fails at it', async () => {
    for (const code of ['engine_failed', 'gpu_out_of_memory'] as const) {
      const { runs, warning } = await detectIn(() =>
        Promise.reject(new AppError(code, 'The engine fake fell over.')),
      )
      assert.deepEqual(runs, [])
      assert.match(warning ?? '', /Language detection .* failed: The engine fake fell over\./)
    }
  })

  it('end with the reason of the signal, and with an engine that is closed', async () => {
    const stop = new AbortController()
    const reason = new AppError('engine_failed', 'given up')
    const stopped = detectIn(
      () => {
        stop.abort(reason)
        return Promise.reject(new AppError('engine_failed', 'it was killed'))
      },
      { signal: stop.signal },
    )
    await assert.rejects(stopped, (error) => error === reason)
    const closed = detectIn(() => Promise.reject(new AppError('cancelled', 'closed')))
    await assert.rejects(closed, /closed/)
  })
})
