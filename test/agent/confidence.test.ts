import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readOutput } from '../../agent/engines/python/output.ts'
import { readTranscription } from '../../agent/engines/whisper-cpp/cli-program.ts'
import { parseInference } from '../../agent/engines/whisper-cpp/wire.ts'
import { withConfidence } from '../../agent/quality/confidence.ts'
import type { RecognisedSegment } from '../../agent/transcription/recognised-segment.ts'

const one = { start: 0, end: 1, text: 'x' }
const confidenceOf = (more: Partial<RecognisedSegment>): number | undefined =>
  withConfidence({ ...one, ...more }).confidence
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

describe('the confidence of a segment', () => {
  test('is the mean probability of its words that have one', () => {
    const words = [{ ...one, probability: 0.5 }, { ...one, probability: 1 }, one]
    assert.equal(confidenceOf({ words, avgLogprob: -5 }), 0.75)
  })

  test('is that of its tokens where words have none', () => {
    assert.equal(confidenceOf({ words: [one], avgLogprob: Math.log(0.25) }), 0.25)
    assert.equal(confidenceOf({ avgLogprob: 1 }), 1)
  })

  test('is missing where the engine gives no numbers', () => {
    assert.equal(confidenceOf({}), undefined)
    assert.equal(confidenceOf({ avgLogprob: -Infinity }), undefined)
  })

  test('is the engine’s own where it gives one', () => {
    assert.equal(confidenceOf({ confidence: 0.1, avgLogprob: 0 }), 0.1)
  })
})

describe('the probability of a word', () => {
  test('is read from what Python’s programs write, also as whisperx calls it', () => {
    const words = [
      { start: 0, end: 0.5, word: ' 50', probability: 0.5 },
      { start: 0.5, end: 0.6, word: '%', probability: 0.9 },
      { start: 0.6, end: 1, word: ' off', score: 1.0004 },
      { start: 0.6, end: 1, word: ' now' },
    ]
    const output = bytes({ segments: [{ start: 0, end: 1, text: '50% off now', words }] })
    const [segment] = readOutput(output, 'x', 1).segments
    assert.deepEqual(
      segment?.words?.map(({ text, probability }) => [text, probability]),
      [
        ['50%', 0.7],
        ['off', 1],
        ['now', undefined],
      ],
    )
  })

  test('is that of its tokens in whisper.cpp, by the program and by the server', () => {
    const offsets = { from: 0, to: 1000 }
    const tokens = [{ text: ' a', offsets, p: 0.5 }]
    const written = { transcription: [{ offsets, text: ' a', tokens }] }
    const words = [{ word: ' a', start: 0, end: 1, probability: 0.5 }]
    const served = { segments: [{ start: 0, end: 1, text: ' a', words }] }
    for (const { segments } of [
      readTranscription(bytes(written), 1),
      parseInference(bytes(served), '', 1),
    ])
      assert.equal(segments[0]?.words?.[0]?.probability, 0.5)
  })
})
