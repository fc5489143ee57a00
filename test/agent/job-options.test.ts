import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KEY_FRAMES, readJobOptions } from '../../agent/job-options.ts'
import type { AppError } from '../../shared/errors.ts'

const NOTHING = readJobOptions({}).options

describe('readJobOptions', () => {
  it('has no opinion where a job says nothing, or null', () => {
    const nulls = Object.fromEntries(
      ['language', 'task', 'prompt', 'keyframes', 'formats'].map((name) => [name, null]),
    )
    for (const given of [{}, nulls, { language: 'auto', prompt: ' \n', hotwords: [] }]) {
      const { options, warnings } = readJobOptions(given)
      assert.deepEqual(warnings, [])
      assert.deepEqual(options, NOTHING)
    }
    const { formats, ...rest } = NOTHING
    assert.deepEqual(formats, [])
    assert.ok(Object.values(rest).every((value) => value === null))
  })

  it('reads all that a job may set', () => {
    const { options, warnings } = readJobOptions({
      language: ' pt-BR ',
      task: 'translate',
      model: 'large-v3',
      prompt: 'Names:\nDashwood,\tMiddleton.',
      hotwords: ['Dashwood', ' Norland\nPark '],
      diarize: true,
      min_speakers: 2,
      max_speakers: 2,
      speaker_names: ['agent', ' the\ncustomer '],
      word_timestamps: false,
      audio_track: 1,
      keyframes: true,
      prefer_subtitles: true,
      limit_seconds: 30,
      formats: ['srt', 'md', 'srt'],
      languages: ['pt-BR', ' en', 'en'],
      vocabulary: ['Dashwood'],
      chapters: true,
    })
    assert.deepEqual(warnings, [])
    assert.deepEqual(options, {
      language: 'pt-BR',
      languages: ['pt-BR', 'en'],
      task: 'translate',
      model: 'large-v3',
      prompt: 'Names: Dashwood, Middleton.',
      hotwords: 'Dashwood, Norland Park',
      vocabulary: [{ term: 'Dashwood', heard_as: [] }],
      chapters: true,
      diarize: true,
      minSpeakers: 2,
      maxSpeakers: 2,
      speakerNames: ['agent', 'the customer'],
      wordTimestamps: false,
      audioTrack: 1,
      keyframes: KEY_FRAMES,
      preferSubtitles: true,
      limitSeconds: 30,
      formats: ['srt', 'md'],
    })
  })

  it('takes a track by its language, and key frames by their number', () => {
    const read = (given: Record<string, unknown>) => readJobOptions(given).options
    assert.equal(read({ audio_track: 'ger' }).audioTrack, 'ger')
    assert.equal(read({ audio_track: 0 }).audioTrack, 0)
    assert.equal(read({ keyframes: false }).keyframes, 0)
    assert.equal(read({ keyframes: 200 }).keyframes, 200)
    assert.equal(read({ hotwords: 'a, b' }).hotwords, 'a, b')
  })

  for (const [name, value] of [
    ['task', 'summarize'],
    ['model', 'x'.repeat(201)],
    ['model', 7],
    ['prompt', 'x'.repeat(1001)],
    ['hotwords', ['x'.repeat(600), 'y'.repeat(600)]],
    ['hotwords', [1]],
    ['diarize', 'yes'],
    ['min_speakers', 0],
    ['max_speakers', 21],
    ['max_speakers', 1.5],
    ['speaker_names', ['agent', ' ']],
    ['speaker_names', 'agent'],
    ['word_timestamps', 1],
    ['audio_track', -1],
    ['audio_track', '-vn'],
    ['audio_track', '--help'],
    ['keyframes', 201],
    ['keyframes', 'all'],
    ['prefer_subtitles', 'true'],
    ['limit_seconds', 0],
    ['formats', ['srt', 'docx']],
    ['formats', 'srt'],
    ['chunk_tokens', 99],
    ['chunk_overlap', 0.3],
    ['subtitles', 'none'],
    ['max_line_chars', 9],
    ['max_lines', 1.5],
  ] as const) {
    it(`leaves out ${name} = ${JSON.stringify(value).slice(0, 30)} and says so`, () => {
      const { options, warnings } = readJobOptions({ [name]: value })
      assert.deepEqual(options, NOTHING)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0]!, new RegExp(`'${name}' was ignored`))
    })
  }

  it('takes an overlap in characters as one for the MoRAG server', () => {
    for (const overlap of [0.1, 200, '200'])
      assert.deepEqual(readJobOptions({ chunk_overlap: overlap }).warnings, [])
  })

  it('leaves out a least number of speakers that is above the most', () => {
    const { options, warnings } = readJobOptions({ min_speakers: 3, max_speakers: 2 })
    assert.deepEqual(options, NOTHING)
    assert.match(
      warnings.join(),
      /'min_speakers' and 'max_speakers' were ignored: 3 is more than 2/,
    )
  })

  it('names what it does not know, however it is named and however much there is', () => {
    const hostile = JSON.parse('{"__proto__": 1, "constructor": 2, "a\\nb": 3}') as object
    assert.deepEqual(readJobOptions({ ...hostile, beam_size: 5 }).warnings, [
      "The unknown options '__proto__', 'constructor', 'a b', 'beam_size' were ignored.",
    ])
    assert.deepEqual(readJobOptions({ '--help': true }).warnings, [
      "The unknown option '--help' was ignored.",
    ])
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}`.repeat(99), i]))
    const { warnings } = readJobOptions(many)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /and 490 more were ignored/)
    assert.ok(warnings[0]!.length < 1000)
  })

  it("does not mind what is the coordinator's or the original system's", () => {
    const { options, warnings } = readJobOptions({
      webhook_url: 'http://example.com/webhook',
      webhook_config: { url: 'http://example.com/webhook' },
      ingestion_task_id: 'task-123',
      document_id: 'd',
      metadata: { language: 'fr' },
      mode: 'ingest',
      source_type: 'file',
      priority: 3,
      timeout_seconds: 60,
      max_retries: 1,
      requires: { diarize: true },
    })
    assert.deepEqual(warnings, [])
    assert.deepEqual(options, NOTHING)
  })

  it('takes languages to choose from as a list or as a text', () => {
    const read = (languages: unknown) => readJobOptions({ languages }).options.languages
    assert.deepEqual(read('de, fr'), ['de', 'fr'])
    for (const none of [null, undefined, []]) assert.equal(read(none), null)
    for (const wrong of [5, ['de', 5], ['de', '--help'], 'de,', {}, Array(21).fill('de')]) {
      assert.throws(() => read(wrong), { code: 'invalid', message: /codes like \["de", "fr"\]/ })
    }
  })

  for (const language of [5, true, ['en'], {}, '--help', 'not a language', '../en', 'e']) {
    it(`refuses the language ${JSON.stringify(language)}`, () => {
      assert.throws(
        () => readJobOptions({ language }),
        (error: AppError) =>
          error.code === 'invalid' && error.message.endsWith(`not ${JSON.stringify(language)}.`),
      )
    })
  }
})
