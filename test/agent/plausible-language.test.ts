import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { disagreement, playedAt } from '../../agent/engines/moonshine/second-pass.ts'
import { verdictOf, type Verdict } from '../../agent/transcription/plausible-language.ts'

describe('a second hearing', () => {
  it('is of the same speech, slower or faster', () => {
    const samples = Float32Array.from({ length: 930 }, (_, i) => i)
    const slower = playedAt(0.93, samples)
    assert.equal(slower.length, 1000)
    assert.ok(Math.abs(slower[500]! - 465) < 1e-3)
    assert.equal(playedAt(1.5, samples)[100], 150)
  })

  it('differs by words that are others, missing or repeated', () => {
    const same = 'One two three four five.'
    assert.deepEqual(disagreement([same, 'one two, three four five'], 3), {
      words: 5,
      differing: 0,
    })
    assert.deepEqual(disagreement([same, 'One too three for five six.'], 3), {
      words: 6,
      differing: 3,
    })
    assert.deepEqual(disagreement(['', ''], 10), { words: 7, differing: 7 })
    assert.deepEqual(disagreement([same, same], 20), { words: 14, differing: 9 })
    const loop = 'the first of the first of the first of the first of the first'
    assert.deepEqual(disagreement([loop, loop], 3), { words: 14, differing: 6 })
    const twice = 'It is a truth that is universally acknowledged. '.repeat(2)
    assert.deepEqual(disagreement([twice, twice], 6), { words: 16, differing: 0 })
  })
})

describe('what is made of it', () => {
  const text = [{ start: 0, end: 1, text: 'Words.' }]
  const verdict = (differing: number, words = 100, tag: string | null = null): Verdict =>
    verdictOf({ doubt: { words, differing }, segments: text }, { tag }, ['en'])

  it('is how many words differ, and how many there are', () => {
    assert.deepEqual(
      [verdict(0), verdict(17), verdict(30), verdict(42), verdict(100)],
      ['known', 'known', 'doubtful', 'foreign', 'foreign'],
    )
    assert.deepEqual(
      [verdict(0, 3), verdict(2, 5), verdict(5, 5)],
      ['known', 'doubtful', 'doubtful'],
    )
  })

  it('leans on the tag of the track, and does not believe it blindly', () => {
    assert.deepEqual([verdict(20, 100, 'ger'), verdict(35, 100, 'deu')], ['doubtful', 'foreign'])
    assert.equal(verdict(5, 100, 'ger'), 'known')
    assert.deepEqual([verdict(30, 100, 'eng'), verdict(70, 100, 'en-GB')], ['known', 'foreign'])
  })

  it('refuses no sentence full of names', () => {
    assert.deepEqual([verdict(8, 9), verdict(9, 12)], ['doubtful', 'foreign'])
  })

  it('is mixed where one place is English and another is not', () => {
    const at = (differing: number, elsewhere: number): Verdict => {
      const doubt = { words: 30, differing, elsewhere: { words: 20, differing: elsewhere } }
      return verdictOf({ doubt, segments: text }, { tag: null }, ['en'])
    }
    assert.deepEqual(
      [at(1, 15), at(20, 1), at(10, 15), at(20, 15), at(20, 7), at(1, 7), at(1, 1)],
      ['mixed', 'mixed', 'mixed', 'foreign', 'foreign', 'known', 'known'],
    )
  })

  it('refuses nothing that has no text, and nothing of an engine that tells languages apart', () => {
    const doubt = { words: 50, differing: 50 }
    assert.equal(verdictOf({ doubt, segments: [] }, { tag: null }, ['en']), 'doubtful')
    assert.equal(verdictOf({ doubt, segments: text }, { tag: null }, null), 'known')
    assert.equal(verdictOf({ segments: text }, { tag: null }, ['en']), 'known')
  })
})
