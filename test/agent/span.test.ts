import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clip, covered, lengthOf, overlap, totalLength } from '../../shared/span.ts'

const spans = [
  { start: 1, end: 2 },
  { start: 2, end: 5 },
  { start: 8, end: 9 },
]

describe('spans', () => {
  it('have a length, and none when they end before they begin', () => {
    assert.equal(lengthOf({ start: 1, end: 3.5 }), 2.5)
    assert.equal(lengthOf({ start: 3, end: 1 }), 0)
    assert.equal(totalLength(spans), 5)
    assert.equal(totalLength([]), 0)
  })

  it('share what lies in both', () => {
    assert.equal(overlap({ start: 0, end: 3 }, { start: 2, end: 8 }), 1)
    assert.equal(overlap({ start: 0, end: 3 }, { start: 3, end: 8 }), 0)
    assert.equal(covered({ start: 1.5, end: 8.5 }, spans), 4)
    assert.equal(covered({ start: 5, end: 8 }, spans), 0)
    assert.equal(covered({ start: 20, end: 30 }, spans), 0)
  })

  it('are cut at the edges of what is asked for', () => {
    assert.deepEqual(clip(spans, 1.5, 8.5), [
      { start: 1.5, end: 2 },
      { start: 2, end: 5 },
      { start: 8, end: 8.5 },
    ])
    assert.deepEqual(clip(spans, 2, 5), [{ start: 2, end: 5 }])
    assert.deepEqual(clip(spans, 5, 8), [])
  })

  it('are found among thousands as if each were looked at', () => {
    const many = Array.from({ length: 2000 }, (_, i) => ({ start: i, end: i + 0.5 }))
    for (let at = -1; at < 2001; at += 0.7) {
      const span = { start: at, end: at + 3.3 }
      const slow = many.reduce((sum, other) => sum + overlap(span, other), 0)
      assert.ok(Math.abs(covered(span, many) - slow) < 1e-9)
      assert.ok(Math.abs(totalLength(clip(many, span.start, span.end)) - slow) < 1e-9)
    }
  })
})
