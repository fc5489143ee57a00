import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine, SpeechOptions } from '../../agent/engines/engine.ts'
import { ExpectedSilence } from '../../agent/progress/expected-silence.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { heardInstead } from '../../agent/quality/heard-instead.ts'
import { likeTerms } from '../../agent/quality/sounds-like.ts'
import { spell } from '../../agent/transcription/heard-terms.ts'
import { AppError } from '../../shared/errors.ts'
import { readVocabulary } from '../../shared/vocabulary.ts'
import { makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const TERMS = readVocabulary(['Dashwood', 'Szymanski', 'Qdrant', 'Okonkwo', 'Zarathustra'])

describe('what sounds like a term', () => {
  for (const [text, ...found] of [
    ['Then Mr. Nashwood had', 'Nashwood'],
    ['we talked about Shaman’s key for long', 'Shaman’s key'],
    ['send it to account well. Before', 'account well'],
    ['Mr. Dashwood spoke.'],
    ['the weather was fine, and the road was dry'],
  ]) {
    test(`in “${text}”: ${found.join() || 'nothing'}`, async () => {
      const alike = await likeTerms([{ start: 0, end: 1, text: text! }], TERMS)
      assert.deepEqual(
        alike.map(({ heard }) => heard),
        found,
      )
    })
  }

  test('is found once, with all its places, the most similar first', async () => {
    const texts = ['to Manzibar', 'the cube rent', 'to manzibar again']
    const segments = texts.map((text, start) => ({ start, end: start + 1, text }))
    const alike = await likeTerms(segments, readVocabulary(['Qdrant', 'Zanzibar']))
    assert.deepEqual(
      alike.map(({ segments: places }) => places),
      [[0, 2], [1]],
    )
  })
})

describe('what stands in place of a term', () => {
  const said = 'We talked about cube rent for an hour.'
  for (const [what, hinted, found] of [
    ['is between the same words', 'We talked about Qdrant for an hour.', 'cube rent'],
    ['is nothing where more words are left out', 'We talked about Qdrant', null],
    ['is nothing where the term is not', 'We talked about Q-brand for an hour.', null],
    ['is nothing where other words are around it', 'Qdrant, Dashwood, Okonkwo', null],
    ['is nothing elsewhere in the sentence', 'Qdrant talked about cube rent for an hour.', null],
  ] as const) {
    test(`${what}: ${hinted}`, () => {
      assert.equal(heardInstead({ term: 'Qdrant', heard: 'rent', said, hinted }), found)
    })
  }
})

describe('a vocabulary', async () => {
  const workDir = tempFolder()
  const wavPath = await makeSilence(workDir, 10)
  const texts = ['I know Mr. Nashwood well.', 'Nashwood is here.', 'The account well is dry.']
  const segments = texts.map((text, i) => ({ start: i * 3, end: i * 3 + 2, text }))

  /** @param write what the engine recognises with a term as its hint. */
  async function spelt(
    write: (hint: string) => string,
    abilities: Partial<Engine['abilities']> = {},
    slots = new Slots([{ index: 0, gpu: null }]),
  ) {
    const asked: string[] = []
    const engine = {
      abilities: { hotwords: true, prompt: true, ...abilities },
      transcribe: async ({ options }: { options: SpeechOptions }) => {
        const hint = options.hotwords ?? options.prompt!
        asked.push(hint)
        return { segments: [{ start: 0, end: 1, text: write(hint) }], language: 'en', warnings: [] }
      },
    } as unknown as Engine
    const { signal } = new AbortController()
    const options: SpeechOptions = {
      language: 'en',
      task: 'transcribe',
      prompt: null,
      hotwords: null,
      words: false,
      speakers: null,
      model: null,
    }
    const vocabulary = readVocabulary(['Okonkwo', 'Zarathustra'])
    const own = readVocabulary(['Dashwood'])
    const voices = [[], segments].map((speech, channel) => ({
      channel,
      mix: { weights: null, layout: null, gain: 0 },
      wavPath: channel === 1 ? wavPath : import.meta.filename,
      speech,
      doneUntil: 0,
    }))
    const recording = { jobId: 'j', voices, options, workDir, signal, segments }
    const result = await spell({ engine, slots, vocabulary }, { ...recording, vocabulary: own })
    return { ...result, asked, free: slots.free }
  }

  test('is asked for term by term where one may be, and written where the engine confirms it', async () => {
    const sentences = new Map([
      ['Dashwood', ['I know Mr. Dashwood well.', 'Dashwood is here.']],
      ['Okonkwo', ['The account well is dry.']],
    ])
    const {
      segments: found,
      replacements,
      asked,
      free,
    } = await spelt((hint) => sentences.get(hint)!.shift()!)
    assert.deepEqual(
      found.map(({ text }) => text),
      ['I know Mr. Dashwood well.', 'Dashwood is here.', texts[2]],
    )
    assert.equal(found[0]!.raw_text, texts[0])
    assert.equal(replacements.length, 2)
    assert.deepEqual(asked.toSorted(), ['Dashwood', 'Dashwood', 'Okonkwo'])
    assert.equal(free, 1)
  })

  test('changes nothing where one of two places is something else', async () => {
    let count = 0
    const { replacements } = await spelt(() =>
      count++ % 2 === 0 ? 'Dashwood is here.' : 'Nobody.',
    )
    assert.deepEqual(replacements, [])
  })

  test('may wait long for a slot that another job has, and says so', async () => {
    const slots = new Slots([{ index: 0, gpu: null }])
    const slot = await slots.acquire(new AbortController().signal)
    const silence = new ExpectedSilence()
    const done = silence.during(() => spelt(() => 'Dashwood is here.', {}, slots))
    while (silence.leftMs === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(silence.leftMs, Infinity)
    slots.release(slot)
    await done
    assert.equal(silence.leftMs, 0)
  })

  test('changes nothing where the engine fails, or takes no hints', async () => {
    const fails = (): never => {
      throw new AppError('engine_failed', 'no')
    }
    assert.deepEqual((await spelt(fails)).replacements, [])
    const { asked } = await spelt(fails, { hotwords: false, prompt: false })
    assert.deepEqual(asked, [])
  })
})
