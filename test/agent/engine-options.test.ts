import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Engine, EngineAbilities } from '../../agent/engines/engine.ts'
import { whisperAbilities } from '../../agent/engines/whisper/abilities.ts'
import { modelLabel } from '../../agent/engines/model-name.ts'
import { readJobOptions } from '../../agent/job-options.ts'
import { engineOptions } from '../../agent/transcription/engine-options.ts'

const able: EngineAbilities = {
  languages: null,
  translate: true,
  words: true,
  speakers: true,
  prompt: true,
  hotwords: true,
  partSeconds: 300,
}
const unable: EngineAbilities = {
  ...able,
  translate: false,
  words: false,
  speakers: false,
  prompt: false,
  hotwords: false,
}

function asked(task: Record<string, unknown>, abilities: EngineAbilities, models: string[] = []) {
  const info = { name: 'e', model: '/models/ggml-base.bin', device: 'cpu', version: '1' }
  const engine = { info, abilities } as unknown as Engine
  return engineOptions(readJobOptions(task).options, engine, { models })
}

const everything = {
  language: 'de-AT',
  task: 'translate',
  prompt: 'MoRAG',
  hotwords: ['a', 'b'],
  word_timestamps: true,
  min_speakers: 2,
  model: 'small',
}

describe('what a job asks for', () => {
  it('reaches an engine that can do it, the language without its region', () => {
    assert.deepEqual(asked(everything, able, ['small']), {
      options: {
        language: 'de',
        task: 'translate',
        prompt: 'MoRAG',
        hotwords: 'a, b',
        words: true,
        speakers: { min: 2, max: null },
        model: 'small',
      },
      languages: null,
      warnings: [],
    })
  })

  it('is left out with a sentence each where the engine cannot', () => {
    const { options, warnings } = asked(everything, unable, ['medium'])
    assert.deepEqual(options, {
      language: 'de',
      task: 'transcribe',
      prompt: null,
      hotwords: null,
      words: false,
      speakers: null,
      model: null,
    })
    assert.equal(warnings.length, 5)
    assert.match(warnings.join('\n'), /no model 'small' \(but medium\): base was used/)
  })

  it('is refused in a language that the usual model does not know', () => {
    const english = { ...able, languages: ['en'] }
    for (const language of ['en', 'en-GB', 'english', 'eng']) {
      assert.deepEqual(asked({ language }, english).warnings, [])
    }
    const unknown = { code: 'unsupported_language', message: /e \(base\) knows only en, not 'de'/ }
    assert.throws(() => asked({ language: 'de-AT' }, english), unknown)
    assert.throws(() => asked({ language: 'de', model: 'nowhere' }, english), unknown)
    // Another model may know it.
    assert.equal(
      asked({ language: 'de', model: 'small' }, english, ['small']).options.model,
      'small',
    )
  })

  it('may be a choice of languages, of which one alone is the language', () => {
    const choice = (languages: string[], abilities = able, more = {}) => {
      const { options, languages: left, warnings } = asked({ languages, ...more }, abilities)
      return [options.language, left, warnings.length]
    }
    assert.deepEqual(choice(['de-AT', 'fr', 'deu']), [null, ['de', 'fr'], 1])
    assert.deepEqual(choice(['de-AT', 'deu']), ['de', null, 0])
    assert.deepEqual(choice(['de', 'fr'], able, { language: 'it' }), ['it', null, 0])
    assert.match(
      asked({ languages: ['de', 'fr'] }, able).warnings.join(),
      /e cannot choose among languages/,
    )
  })

  it('may be a choice of languages of which the engine knows some', () => {
    const english = { ...able, languages: ['en'] }
    const { options, languages, warnings } = asked({ languages: ['de', 'en'] }, english)
    assert.deepEqual([options.language, languages, warnings], [null, null, []])
    const unknown = { code: 'unsupported_language', message: /knows only en, not 'de'/ }
    assert.throws(() => asked({ languages: ['de', 'fr'] }, english), unknown)
  })

  it('may be the usual model by its name', () => {
    assert.deepEqual(asked({ model: 'base' }, able).warnings, [])
    assert.equal(asked({ model: 'base' }, able).options.model, null)
  })
})

describe('a model of Whisper', () => {
  it('cannot do what its name says', () => {
    assert.deepEqual(whisperAbilities('base', able), able)
    assert.deepEqual(whisperAbilities('base.en', able).languages, ['en'])
    for (const model of ['base.en', 'large-v3-turbo', 'distil-large-v3']) {
      assert.equal(whisperAbilities(model, able).translate, false)
    }
  })
})

describe('a model', () => {
  for (const [model, label] of [
    ['large-v3-turbo', 'large-v3-turbo'],
    ['/home/me/ggml-large-v3.bin', 'large-v3'],
    ['C:\\models\\small.en.pt', 'small.en'],
    ['/models/ctranslate2/base/', 'base'],
  ] as const) {
    it(`${model} is called ${label}`, () => assert.equal(modelLabel(model), label))
  }
})
