import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readOutput } from '../../agent/engines/python/output.ts'
import { detectedIn, segmentLine, withoutSegments } from '../../agent/engines/python/printed.ts'
import type { AppError } from '../../shared/errors.ts'

const read = (source: string | Buffer, seconds = 10) =>
  readOutput(Buffer.from(source), 'an engine', seconds)
const readSegments = (...segments: object[]) =>
  read(JSON.stringify({ segments, language: 'de' })).segments

describe('the JSON of the Python engines', () => {
  it('gives segments in order, on one line each, and without the empty ones', () => {
    assert.deepEqual(
      readSegments(
        { start: 4, end: 5, text: ' later\n\u0007on ' },
        { start: 1, end: 2, text: ' first' },
        { start: 2, end: 3, text: ' \u0000 ' },
      ),
      [
        { start: 1, end: 2, text: 'first' },
        { start: 4, end: 5, text: 'later on' },
      ],
    )
  })

  it('keeps times within the piece', () => {
    assert.deepEqual(
      readSegments(
        { start: -1, end: 2, text: 'a' },
        { start: 9, end: 30, text: 'b' },
        { start: 12, end: 11, text: 'c' },
      ),
      [
        { start: 0, end: 2, text: 'a' },
        { start: 9, end: 10, text: 'b' },
        { start: 10, end: 10, text: 'c' },
      ],
    )
  })

  it('carries how sure the engine is, and who speaks', () => {
    const [segment] = readSegments({
      start: 0,
      end: 1,
      text: 'a',
      speaker: 'SPEAKER_01',
      avg_logprob: -0.5,
      no_speech_prob: 0.1,
      compression_ratio: 1.5,
      words: null,
    })
    assert.deepEqual(segment, {
      start: 0,
      end: 1,
      text: 'a',
      speaker: 'SPEAKER_01',
      avgLogprob: -0.5,
      noSpeechProb: 0.1,
      compressionRatio: 1.5,
    })
  })

  it('may hold numbers that JSON does not know, which say nothing', () => {
    const source =
      '{"segments": [{"start": 0, "end": Infinity, "text": "NaN is \\"Infinity\\", -Infinity", "avg_logprob": NaN},' +
      '{"start": NaN, "end": 3, "text": "b", "avg_logprob": -Infinity}], "language": "en"}'
    assert.deepEqual(read(source).segments, [
      { start: 0, end: 0, text: 'NaN is "Infinity", -Infinity' },
      { start: 0, end: 3, text: 'b' },
    ])
  })

  it('may hold letters that are cut in two', () => {
    const whole = Buffer.from('{"segments": [{"start": 0, "end": 1, "text": "Gr\u00fc\u00dfe"}]}')
    const at = whole.indexOf(0xc3)
    const cut = Buffer.concat([whole.subarray(0, at + 1), whole.subarray(at + 2)])
    assert.equal(read(cut).segments[0]?.text, 'Grße')
    assert.equal(
      read('{"segments": [{"start": 0, "end": 1, "text": "a \\ud83d b"}]}').segments[0]?.text,
      'a b',
    )
    assert.equal(
      read('{"segments": [{"start": 0, "end": 1, "text": "\\ud83d\\ude00 b"}]}').segments[0]?.text,
      '😀 b',
    )
  })

  it('may hold bare control characters', () => {
    assert.equal(
      read('{"segments": [{"start": 0, "end": 1, "text": "a\tb\u0001c"}]}').segments[0]?.text,
      'a b c',
    )
  })

  it('tells the language by code or name, and null when it is none', () => {
    const language = (value: unknown) =>
      read(JSON.stringify({ segments: [], language: value })).language
    assert.deepEqual(
      ['de', 'German', 'jw', 'klingon', null, 7].map((value) => language(value)),
      ['de', 'de', 'jv', null, null, null],
    )
  })

  for (const [what, source] of Object.entries({
    empty: '',
    'cut off': '{"text": " And so", "segments": [{"id": 1, "sta',
    'no transcript': '{"error": "no"}',
    'a list': '[]',
    'no list of segments': '{"segments": {}}',
    'a list of something else': '{"segments": [1]}',
  })) {
    it(`is an engine's failure when it is ${what}`, () => {
      assert.throws(
        () => read(source),
        (error: AppError) =>
          error.code === 'engine_failed' &&
          error.message.startsWith('The engine an engine failed:'),
      )
    })
  }
})

describe('words', () => {
  const words = (raw: object[], segment: { start: number; end: number } = { start: 0, end: 10 }) =>
    readSegments({ ...segment, text: 'x', words: raw })[0]?.words

  it('are trimmed, and what has no space before it belongs to the word before', () => {
    assert.deepEqual(
      words([
        { start: 0, end: 1, word: ' 50' },
        { start: 1, end: 1.2, word: '%' },
        { start: 2, end: 3, word: ' of' },
        { start: 3, end: 4, word: ' ' },
      ]),
      [
        { start: 0, end: 1.2, text: '50%' },
        { start: 2, end: 3, text: 'of' },
      ],
    )
  })

  it('stay apart in a language without spaces, and from a program that writes none', () => {
    const texts = (...list: string[]) =>
      words(list.map((word, i) => ({ start: i, end: i + 1, word })))?.map(({ text }) => text)
    assert.deepEqual(texts('今天', '天气', '好。'), ['今天', '天气', '好。'])
    assert.deepEqual(texts('And', 'so'), ['And', 'so'])
  })

  it('never go back, and stay in their segment', () => {
    assert.deepEqual(
      words(
        [
          { start: 0, end: 3, word: ' a' },
          { start: 2, end: 2.5, word: ' b' },
          { start: 4, end: 9, word: ' c' },
        ],
        { start: 1, end: 5 },
      ),
      [
        { start: 1, end: 3, text: 'a' },
        { start: 3, end: 3, text: 'b' },
        { start: 4, end: 5, text: 'c' },
      ],
    )
  })

  it('without times have their share of the gap', () => {
    assert.deepEqual(
      words(
        [
          { word: 'In' },
          { start: 1, end: 2, word: 'the' },
          { word: '2014.' },
          { word: '£13' },
          { start: 4, end: 5, word: 'for' },
          { word: '7' },
        ],
        { start: 0, end: 6 },
      ),
      [
        { start: 0, end: 1, text: 'In' },
        { start: 1, end: 2, text: 'the' },
        { start: 2, end: 3, text: '2014.' },
        { start: 3, end: 4, text: '£13' },
        { start: 4, end: 5, text: 'for' },
        { start: 5, end: 6, text: '7' },
      ],
    )
  })

  it('are absent when there are none', () => {
    assert.equal(words([]), undefined)
  })
})

describe('a line of a segment', () => {
  it('has times with and without hours', () => {
    assert.deepEqual(segmentLine('[00:01.500 --> 01:04.320]  Guten Tag.'), {
      start: 1.5,
      end: 64.32,
    })
    assert.deepEqual(segmentLine('[01:00:00.000 --> 100:00:04,320] x'), {
      start: 3600,
      end: 360004.32,
    })
    assert.equal(segmentLine('He said [00:01.500 --> 01:04.320]'), null)
    assert.equal(segmentLine(''), null)
  })

  it('is no message of the program', () => {
    assert.equal(withoutSegments('a\r[00:00.000 --> 00:01.000] out of memory\nb'), 'a\nb')
  })
})

describe('what Python engines really wrote', () => {
  const recorded = (file: string, seconds = 11) =>
    read(readFileSync(new URL(`recorded/${file}.json`, import.meta.url)), seconds).segments

  it('has words and certainty', () => {
    const [segment] = recorded('faster-whisper/jfk')
    assert.equal(segment?.words?.length, 22)
    const sure = [segment.avgLogprob, segment.noSpeechProb, segment.compressionRatio]
    assert.deepEqual(
      sure.map((value) => value?.toFixed(2)),
      ['-0.28', '0.09', '1.35'],
    )
    assert.equal(recorded('openai-whisper/jfk-words')[0]?.avgLogprob?.toFixed(2), '-0.29')
  })

  it('has no words where none were asked for', () => {
    assert.equal(recorded('faster-whisper/austen-plain')[0]?.words, undefined)
    assert.equal(recorded('openai-whisper/austen-auto')[0]?.words, undefined)
  })

  it('stays within the piece where it is made up of noise, and is doubtful in silence', () => {
    assert.deepEqual(
      recorded('faster-whisper/hiss', 6).map(({ start, end }) => [start, end]),
      [
        [0, 6],
        [6, 6],
        [6, 6],
      ],
    )
    assert.ok((recorded('openai-whisper/silence')[0]?.noSpeechProb ?? 0) > 0.5)
  })
})

describe('the language that a program prints', () => {
  const lines = { file: /^File/, language: /^Detected language '([^']+)' \(([\d.]+)\)/ }
  const printed = (name: string, count = 1) =>
    detectedIn(`Detected language '${name}' (0.5)\n`, count, lines)

  it('goes by any of its names, and is null for one that Whisper does not know', () => {
    assert.deepEqual(printed('Haitian Creole'), [{ language: 'ht', probability: 0.5 }])
    assert.deepEqual(printed('Klingon'), [null])
  })

  it('is nothing before the first of several files', () => {
    assert.deepEqual(printed('German', 2), [null, null])
  })
})
