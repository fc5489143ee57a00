import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tighten } from '../../agent/quality/segment-times.ts'

const speech = [
  { start: 10, end: 12 },
  { start: 13, end: 15 },
  { start: 30, end: 31 },
]

describe('a segment', () => {
  it('begins and ends with its speech, and so do its words', () => {
    const words = [
      { start: 9, end: 11, text: 'one' },
      { start: 12, end: 17, text: 'two' },
    ]
    assert.deepEqual(tighten({ start: 9, end: 17, text: 'one two', words }, speech), {
      start: 9.8,
      end: 15.2,
      text: 'one two',
      words: [
        { start: 9.8, end: 11, text: 'one' },
        { start: 12, end: 15.2, text: 'two' },
      ],
    })
  })

  it('within its speech stays as it is, and one without any too', () => {
    for (const segment of [
      { start: 10.5, end: 11, text: 'in' },
      { start: 20, end: 25, text: 'out' },
    ]) {
      assert.deepEqual(tighten(segment, speech), segment)
    }
  })
})
