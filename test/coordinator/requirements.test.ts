import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Attempt } from '../../coordinator/job/job.ts'
import { JobQueue } from '../../coordinator/job/queue.ts'
import {
  checkRequirements,
  inWords,
  meets,
  requirementsOf,
  UNKNOWN_ABILITY,
  type Ability,
  type Requirements,
} from '../../coordinator/job/requirements.ts'
import type { Capabilities } from '../../shared/announcement.ts'
import { AppError } from '../../shared/errors.ts'
import { after, CLAIM, NOON, pendingJob } from './example-jobs.ts'

const CAN: Capabilities = {
  engines: ['whisper-cpp', 'moonshine'],
  models: ['large-v3'],
  languages: ['de', 'en-GB'],
  features: ['diarize', 'words'],
}
const FREE = { ...CAN, languages: null }

const may = (requires: unknown, can: Capabilities | null = CAN): boolean =>
  meets({ key: 'w', can }, requirementsOf({ taskOptions: { requires } }))

describe('a worker may have a job', () => {
  for (const [what, requires] of [
    ['that requires nothing', undefined],
    ['that requires null', null],
    ['that requires an empty object', {}],
    ['that requires a feature not', { translate: false }],
    ['that has nulls for all it does not require', { diarize: null, language: null, model: null }],
    ['that requires a feature it has', { diarize: true }],
    ['that requires several that it has', { diarize: true, words: true }],
    ['in a language it has', { language: 'de' }],
    ['in a variant of a language it has', { language: 'de-AT' }],
    ['in a language of which it has a variant', { language: 'EN' }],
    ['for an engine it has', { engine: 'moonshine' }],
    ['for a model it has', { model: 'large-v3', engine: 'whisper-cpp' }],
  ] as const)
    test(what, () => assert.equal(may(requires), true))

  test('in any language when it knows any', () => {
    assert.equal(may({ language: 'xx' }, FREE), true)
  })
})

describe('a worker may not have a job', () => {
  for (const [what, requires] of [
    ['that requires a feature it lacks', { translate: true }],
    ['that requires one feature it has and one it lacks', { diarize: true, translate: true }],
    ['in a language it lacks', { language: 'fr' }],
    ['in a language whose name begins like one it has', { language: 'den' }],
    ['for an engine it lacks', { engine: 'whisperx' }],
    ['for a model it lacks', { engine: 'whisper-cpp', model: 'small' }],
    ['whose requirements cannot be understood', { colour: 'blue' }],
    ['whose requirements are no object', 'diarize'],
  ] as const)
    test(what, () => assert.equal(may(requires), false))

  test('that requires anything when it has said nothing', () => {
    for (const requires of [{ diarize: true }, { language: 'de' }, { model: 'large-v3' }])
      assert.equal(may(requires, null), false)
    assert.equal(may({}, null), true)
  })
})

describe('a job in a language', () => {
  const in_ = (language: unknown, more: object = {}): Requirements =>
    requirementsOf({ taskOptions: { language, ...more } })
  const knows = (languages: string[] | null): Ability => ({ key: 'w', can: { ...CAN, languages } })

  for (const language of ['de', 'DE', 'de-AT', 'deu', 'ger', 'German'])
    test(`${language} is for workers that know it, any, or have not said`, () => {
      assert.equal(meets(knows(['en', 'de']), in_(language)), true)
      assert.equal(meets(knows(null), in_(language)), true)
      assert.equal(meets({ key: 'w', can: null }, in_(language)), true)
      assert.equal(meets(UNKNOWN_ABILITY, in_(language)), true)
      assert.equal(meets(knows(['en']), in_(language)), false)
      assert.equal(in_(language).key, in_('de').key)
    })

  for (const language of ['auto', '', null, undefined, 5, 'whatever it is'])
    test(`${JSON.stringify(language)} is for all`, () => {
      assert.equal(in_(language).key, '')
    })

  test('or in several is for workers that know all of them', () => {
    for (const languages of [['de', 'fr'], 'fr, de-AT', ['German', 'fra', 5]]) {
      const job = in_('auto', { languages })
      assert.equal(meets(knows(['de', 'fr', 'en']), job), true)
      assert.equal(meets(knows(null), job), true)
      assert.equal(meets(knows(['de', 'en']), job), false)
      assert.equal(inWords(job), 'language de and fr')
      assert.equal(job.key, in_(null, { languages: ['fr', 'de'] }).key)
    }
    assert.equal(meets(knows(['en']), in_('en', { languages: ['de'] })), true)
    assert.equal(in_(null, { languages: ['?', {}] }).key, '')
  })

  test('that names a model chooses by that, as other models know other languages', () => {
    assert.equal(meets(knows(['en']), in_('de', { model: 'large-v3' })), true)
  })

  test('is for all without speech: a document is no recording', () => {
    const of = (contentType: string): Requirements =>
      requirementsOf({ contentType, taskOptions: { language: 'de' } })
    assert.equal(meets(knows(['en']), of('document')), true)
    assert.equal(meets(knows(['en']), of('video')), false)
  })

  test('that requires another one needs both', () => {
    const both = in_('de', { requires: { language: 'en' } })
    assert.equal(meets(knows(['en']), both), false)
    assert.equal(meets(knows(['de', 'en']), both), true)
    assert.equal(inWords(in_('deu')), 'language de')
  })
})

test('a job is not for workers like one that gave it back because it cannot do it', () => {
  const attempt = { ...after(pendingJob(), CLAIM).attempts[0]!, ability: 'like w1' }
  const gaveBack = { ...attempt, outcome: 'released', errorCode: 'unsupported_language' } as const
  const ask = (...attempts: Attempt[]): Requirements =>
    requirementsOf({ taskOptions: {}, attempts })
  const like = (key: string): Ability => ({ key, can: CAN })
  assert.equal(meets(like('like w1'), ask(gaveBack)), false)
  assert.equal(meets(like('like w2'), ask(gaveBack)), true)
  assert.equal(meets(UNKNOWN_ABILITY, ask(gaveBack)), true)
  for (const other of [
    { ...gaveBack, errorCode: null },
    { ...gaveBack, outcome: 'failed' },
    { ...gaveBack, ability: null },
  ] as const)
    assert.equal(ask(other).key, '')
})

test('the same requirements have the same key, however they are written', () => {
  const key = (requires: unknown): string => requirementsOf({ taskOptions: { requires } }).key
  const one = key({ language: 'de', words: true, diarize: true })
  assert.equal(key({ diarize: true, words: true, translate: false, language: 'DE-at' }), one)
  assert.notEqual(key({ diarize: true, words: true }), one)
  assert.notEqual(key({ engine: 'a' }), key({ model: 'a' }))
  for (const none of [undefined, null, {}, { words: false }]) assert.equal(key(none), '')
})

test('requirements have words', () => {
  const requires = { words: true, language: 'de-AT', engine: 'whisperx', model: 'base' }
  assert.equal(
    inWords(requirementsOf({ taskOptions: { requires } })),
    'words, language de, engine whisperx, model base',
  )
})

describe('refused when a job is made:', () => {
  for (const [requires, problem] of [
    ['x', ['requires']],
    [[], ['requires']],
    [{ colour: 'blue' }, ['requires', 'colour']],
    [{ diarize: 'yes' }, ['requires', 'diarize']],
    [{ language: 5 }, ['requires', 'language']],
    [{ model: ' ' }, ['requires', 'model']],
    [{ engine: 'x'.repeat(101) }, ['requires', 'engine']],
  ] as const)
    test(JSON.stringify(requires).slice(0, 40), () => {
      assert.throws(
        () => checkRequirements({ requires }),
        (error: unknown) => {
          assert.ok(error instanceof AppError && error.code === 'invalid')
          assert.deepEqual(
            error.problems?.map(({ loc }) => loc),
            [['body', 'task_options', ...problem]],
          )
          assert.match(error.message, /^requires.*\.$/)
          return true
        },
      )
    })

  test('nothing of what makes sense', () => {
    for (const requires of [undefined, null, {}, { words: true, language: 'de', model: null }])
      checkRequirements({ requires })
  })
})

describe('the queue', () => {
  const ask = (language: string): object => ({ taskOptions: { requires: { language } } })

  test('gives the best job that the worker may have, whatever it requires', () => {
    const queue = new JobQueue()
    const plain = pendingJob({ createdAt: NOON - 1 })
    const german = pendingJob({ createdAt: NOON - 2, ...ask('de') })
    const french = pendingJob({ createdAt: NOON - 3, priority: 9, ...ask('fr') })
    const urgent = pendingJob({ priority: 1, ...ask('en') })
    for (const job of [plain, german, french, urgent]) queue.add(job, NOON)
    assert.equal(queue.take(['audio'], 'w1', NOON, { key: 'w', can: CAN }), urgent.jobId)
    assert.equal(queue.take(['audio'], 'w1', NOON, { key: 'w', can: CAN }), german.jobId)
    assert.equal(queue.take(['audio'], 'old', NOON), plain.jobId)
    assert.equal(queue.take(['audio'], 'old', NOON), null)
    assert.equal(queue.take(['audio'], 'w1', NOON, { key: 'w', can: CAN }), null)
    assert.equal(queue.take(['audio'], 'w2', NOON, { key: 'w', can: FREE }), french.jobId)
  })

  test('gives a reserved job to its worker only when that can do it', () => {
    const queue = new JobQueue()
    const reserved = { workerId: 'w1', untilAt: NOON + 1_000 }
    const job = pendingJob({ reserved, ...ask('fr') })
    queue.add(job, NOON)
    assert.equal(queue.take(['audio'], 'w1', NOON, { key: 'w', can: CAN }), null)
    assert.equal(queue.take(['audio'], 'w2', NOON, { key: 'w', can: FREE }), null)
    assert.equal(queue.take(['audio'], 'w1', NOON, { key: 'w', can: FREE }), job.jobId)
  })

  test('claims cost about the same when 10 000 jobs that are for others go before', () => {
    const costOf = (others: number): number => {
      const queue = new JobQueue()
      for (let n = 0; n < others; n += 1)
        queue.add(pendingJob({ priority: 5, ...ask(['fr', 'it', 'es'][n % 3]!) }), NOON)
      for (let n = 0; n < 2_000; n += 1) queue.add(pendingJob(ask('de')), NOON)
      const rounds = Array.from({ length: 5 }, () => {
        const start = performance.now()
        for (let n = 0; n < 200; n += 1)
          assert.notEqual(queue.take(['audio'], 'w1', NOON, { key: 'w', can: CAN }), null)
        return performance.now() - start
      })
      assert.equal(queue.size, others + 1_000)
      return Math.min(...rounds)
    }
    const few = costOf(3)
    // A search through the others would cost thousands of times as much.
    assert.ok(costOf(10_000) < few * 25, `${few} ms against ${costOf(10_000)} ms`)
  })
})
