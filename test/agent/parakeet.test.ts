import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { parakeet } from '../../agent/engines/parakeet/definition.ts'
import { segmentsOf } from '../../agent/engines/parakeet/segments.ts'
import { chooseEngine } from '../../agent/engines/registry.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { toyParakeet, type ScriptedToken } from './toy-parakeet.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const placeIn = (dir: string): string => path.join(dir, 'parakeet', 'tdt-0.6b-v3-int8')

const SCRIPT: readonly ScriptedToken[] = [
  [' Gut', 2],
  ['en', 1],
  [' Morgen', 4],
  ['.', 1],
  [' Wie', 3],
  [' geht', 3],
  [' es', 2],
  ['?', 0],
]

const result = (tokens: readonly (readonly [string, number, number])[]) => ({
  text: '',
  tokens: tokens.map(([text]) => text),
  timestamps: tokens.map(([, start]) => start),
  durations: tokens.map(([, , seconds]) => seconds),
  ys_log_probs: tokens.map((_, i) => -i / 10),
})

describe('the segments of a transducer', () => {
  it('end at a pause, never within a word, with words and how sure they are', () => {
    const said = result([
      [' It', 0.08, 0.16],
      [' is', 0.24, 0.16],
      [' 3', 0.4, 0.08],
      ['.', 0.48, 0.08],
      ['5', 0.56, 0.08],
      ['.', 3, 0.08],
      [' Yes', 4.8, 0.16],
    ])
    const [first, second] = segmentsOf(said, { start: 10, end: 14.9 })
    assert.deepEqual([first?.start, first?.end, first?.text], [10.08, 13.08, 'It is 3.5.'])
    assert.deepEqual(first?.words?.slice(0, 2), [
      { start: 10.08, end: 10.24, text: 'It', probability: 1 },
      { start: 10.24, end: 10.4, text: 'is', probability: 0.905 },
    ])
    assert.deepEqual([second?.start, second?.end, second?.text], [14.8, 14.9, 'Yes'])
  })

  it('are none without tokens', () => {
    assert.deepEqual(segmentsOf(result([]), { start: 0, end: 1 }), [])
    assert.deepEqual(segmentsOf(result([[' ', 0, 0]]), { start: 0, end: 1 }), [])
  })
})

// The real sherpa-onnx reads a toy model of the same form: the real weights could not be fetched here.
describe('the engine parakeet, with a toy model', () => {
  const dir = path.join(folder, 'models')
  let engine: Engine
  before(async () => {
    await toyParakeet(placeIn(dir), SCRIPT)
    const settings = engineSettings(dir, { threads: 1 })
    engine = parakeet.create(settings, await parakeet.probe(settings, signal))
  })
  after(() => engine.close())

  it('gives words with times in each stretch of speech', async () => {
    const progress: number[] = []
    const speech = [
      { start: 0.3, end: 4 },
      { start: 7, end: 10.4 },
    ]
    const options = { ...OPTIONS, language: 'de-AT' }
    const onProgress = (seconds: number): number => progress.push(seconds)
    const { segments, language, warnings } = await engine.transcribe(
      await requestFor(folder, { speech, options, onProgress }),
    )
    assert.equal(language, 'de')
    assert.match(warnings.join(), /cannot be told that German is spoken/)
    assert.deepEqual(
      segments.map(({ start, end, text }) => [start, end, text]),
      [
        [0, 1.28, 'Guten Morgen. Wie geht es?'],
        [6.7, 7.98, 'Guten Morgen. Wie geht es?'],
      ],
    )
    assert.deepEqual(segments[1]?.words?.slice(0, 2), [
      { start: 6.7, end: 6.94, text: 'Guten', probability: 0.999 },
      { start: 6.94, end: 7.34, text: 'Morgen.', probability: 0.999 },
    ])
    assert.deepEqual(progress, [4.3, 10.7, 11])
  })

  it('claims no language that it was not told, and warns of none for English', async () => {
    assert.equal((await engine.transcribe(await requestFor(folder))).language, null)
    const options = { ...OPTIONS, language: 'en' }
    const { language, warnings } = await engine.transcribe(await requestFor(folder, { options }))
    assert.deepEqual([language, warnings], ['en', []])
  })

  it('refuses a language that it does not know', async () => {
    const options = { ...OPTIONS, language: 'ja' }
    await assert.rejects(engine.transcribe(await requestFor(folder, { options })), {
      code: 'unsupported_language',
      message: /does not know 'ja', only bg, /,
    })
  })

  it('fails a job, not the agent, when its model is damaged or gone', async () => {
    const damaged = path.join(folder, 'damaged')
    await toyParakeet(placeIn(damaged), SCRIPT)
    await writeFile(path.join(placeIn(damaged), 'encoder.int8.onnx'), 'no model')
    const settings = engineSettings(damaged)
    const broken = parakeet.create(settings, await parakeet.probe(settings, signal))
    await assert.rejects(broken.transcribe(await requestFor(folder)), { code: 'engine_failed' })
    await broken.close()
    const none = await parakeet.probe(engineSettings(folder), signal)
    assert.equal(none.usable, false)
    assert.match(none.why, /morag-agent models pull parakeet\/tdt-0\.6b-v3-int8/)
  })

  it('is chosen by itself for English and for an unknown language, never for another one', async () => {
    const chosen = async (language: string | null): Promise<string> => {
      const settings = engineSettings(dir)
      const { engine: one } = await chooseEngine('auto', settings, signal, { language })
      return one.info.name
    }
    assert.deepEqual(
      [await chosen(null), await chosen('en'), await chosen('de'), await chosen('ja')],
      ['parakeet', 'parakeet', 'moonshine', 'moonshine'],
    )
    const { languages } = await chooseEngine('auto', engineSettings(dir), signal)
    assert.deepEqual(languages, ['en'])
    const asked = await chooseEngine('parakeet', engineSettings(dir), signal)
    assert.equal(asked.languages?.length, 25)
  })
})
