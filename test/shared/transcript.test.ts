import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chaptersOf, segment, segmentsOf, transcriptMetadata } from '../../shared/transcript.ts'

const word = { start: 0, end: 1, text: 'x' }

describe('a segment', () => {
  const whole = {
    start: 0,
    end: 1,
    text: 'x',
    speaker: 'A',
    words: [{ ...word, probability: 0.5 }],
    flags: ['repeats'],
    language: 'de',
    confidence: 0.5,
    overlap: true,
  }

  test('has all that a worker knows of it, and nothing else', () => {
    assert.deepEqual(segment.parse({ ...whole, avg_logprob: -1 }), whole)
  })

  test('has no key for what is null, as Python writes it, or empty', () => {
    const nothing = { speaker: null, words: [], flags: [], language: null, confidence: null }
    assert.deepEqual(segment.parse({ ...word, ...nothing, overlap: null }), word)
    assert.deepEqual(segment.parse({ ...word, words: [{ ...word, probability: null }] }), {
      ...word,
      words: [word],
    })
  })

  for (const [name, odd, place] of [
    ['a time that is a text', { start: '1' }, 'start'],
    ['a time before the beginning', { start: -1 }, 'start'],
    ['a time without an end', { end: Infinity }, 'end'],
    ['an end before the start', { start: 2 }, 'end'],
    ['no text', { text: undefined }, 'text'],
    ['a confidence above one', { confidence: 1.5 }, 'confidence'],
    [
      'a word of Whisper, with another name',
      { words: [{ start: 0, end: 1, word: 'x' }] },
      'words.0.text',
    ],
  ] as const) {
    test(`may not have ${name}`, () => {
      const { error } = segment.safeParse({ ...whole, ...odd })
      assert.deepEqual(
        error?.issues.map((issue) => issue.path.join('.')),
        [place],
      )
    })
  }
})

describe('the segments of a result', () => {
  test('are those of its metadata, in order', () => {
    const one = { start: 1, end: 2, text: 'x', speaker: 'A', words: [word] }
    const other = { start: 0, end: 1, text: 'y', flags: ['repeats'], confidence: 0.5 }
    assert.deepEqual(segmentsOf({ segments: [{ ...one, extra: true, flags: [] }, other] }), [
      other,
      one,
    ])
    assert.deepEqual(segmentsOf({ segments: [] }), [])
  })

  test('are none where nothing there is one', () => {
    for (const bad of [undefined, null, 'x', {}, [{ start: 0 }], [null, 1, 'x', [], { text: 1 }]])
      assert.equal(segmentsOf({ segments: bad }), null)
  })

  test('keep every text, whatever else a worker has written', () => {
    const given = [
      { start: 0, end: 1, text: 'a', speaker: null, words: null },
      { start: null, end: 'soon', text: 'b', speaker: 7, words: [{ word: 'b' }] },
      { start: Infinity, end: 4, text: 'c', words: [word, null], confidence: 7 },
      'no segment',
      { text: 'd', overlap: 'yes', language: 7, flags: 'odd' },
      { start: 9, end: 8, text: 'e', flags: ['repeats'] },
    ]
    assert.deepEqual(segmentsOf({ segments: given }), [
      { start: 0, end: 1, text: 'a' },
      { start: 1, end: 1, text: 'b' },
      { start: 1, end: 4, text: 'c' },
      { start: 4, end: 4, text: 'd' },
      { start: 9, end: 9, text: 'e', flags: ['repeats'] },
    ])
  })
})

test('the chapters of a result are those that can be read, in order', () => {
  const [one, other] = [
    { start: 60, end: 50, title: 'Last' },
    { start: 0, end: 60, title: '' },
  ]
  assert.deepEqual(chaptersOf({ chapters: [one, 'Intro', { title: 'x' }, other] }), [other, one])
  for (const chapters of [undefined, null, 'x']) assert.deepEqual(chaptersOf({ chapters }), [])
})

test('metadata may have anything beside the transcript', () => {
  const { data } = transcriptMetadata.safeParse({ segments: [], speakers: null, pages: 3 })
  assert.deepEqual(data, { segments: [], speakers: null, pages: 3 })
})
