import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { vote, windowsForVote } from '../../agent/transcription/language-vote.ts'
import { covered, lengthOf, totalLength, type Span } from '../../shared/span.ts'

const spansOf = (...pairs: [number, number][]): Span[] =>
  pairs.map(([start, end]) => ({ start, end }))

describe('windowsForVote', () => {
  it('lie at about 17, 50 and 83 % of the speech, not of the file', () => {
    // Ten minutes of music, then ten minutes of speech.
    const windows = windowsForVote(spansOf([600, 1200]))
    assert.deepEqual(windows, spansOf([685, 715], [885, 915], [1085, 1115]))
  })

  it('are one for a short recording, from its first to its last word', () => {
    assert.deepEqual(windowsForVote(spansOf([2, 5], [6, 9], [10, 14])), spansOf([2, 14]))
    assert.deepEqual(windowsForVote(spansOf([2, 5])), spansOf([2, 5]))
  })

  it('do not grow over long pauses', () => {
    assert.deepEqual(windowsForVote(spansOf([0, 4], [24, 28])), spansOf([0, 4]))
  })

  it('are none without speech', () => {
    assert.deepEqual(windowsForVote([]), [])
    assert.deepEqual(windowsForVote(spansOf([3, 3])), [])
  })

  it('are ascending, apart, short enough and mostly speech, wherever the speech is', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = randomFrom(seed)
      const speech: Span[] = []
      let at = random() * 100
      const longest = random() < 0.5 ? 5 : 100
      for (let i = 0; i < 1 + random() * 60; i++) {
        const end = at + 0.25 + random() * longest
        speech.push({ start: at, end })
        at = end + (random() < 0.3 ? 0 : random() * random() * 60)
      }
      const count = 1 + Math.floor(random() * 4)
      const seconds = 5 + random() * 30
      const windows = windowsForVote(speech, count, seconds)
      assert.ok(windows.length >= 1 && windows.length <= count)
      if (totalLength(speech) > 15 * count) assert.equal(windows.length, count)
      let floor = 0
      for (const window of windows) {
        assert.ok(window.start >= floor && window.end > window.start)
        assert.ok(lengthOf(window) <= seconds + 1e-9)
        assert.ok(covered(window, speech) >= lengthOf(window) / 2 - 1e-9)
        floor = window.end
      }
    }
  })
})

describe('vote', () => {
  const heard = (...list: [string, number][]): { language: string; probability: number }[] =>
    list.map(([language, probability]) => ({ language, probability }))

  it('takes what all windows say, however uncertain', () => {
    assert.deepEqual(vote(heard(['de', 0.75])), { language: 'de', probability: 0.75 })
    assert.deepEqual(vote(heard(['de', 0.25], ['de', 0.25])), { language: 'de', probability: 0.25 })
  })

  it('goes with the majority, and counts the others against its probability', () => {
    const three = heard(['en', 0.75], ['de', 0.5], ['en', 0.75])
    assert.deepEqual(vote(three), { language: 'en', probability: 0.5 })
  })

  it('lets one certain window win over an uncertain one', () => {
    assert.equal(vote(heard(['cy', 0.3], ['en', 0.9]))?.language, 'en')
  })

  it('decides nothing when nothing was detected, all differ, two are level or the best is uncertain', () => {
    assert.equal(vote([]), null)
    assert.equal(vote(heard(['en', 0])), null)
    assert.equal(vote(heard(['en', Number.NaN])), null)
    assert.equal(vote(heard(['en', 0.6], ['de', 0.5], ['fr', 0.55])), null)
    assert.equal(vote(heard(['en', 0.8], ['de', 0.8])), null)
    assert.equal(vote(heard(['en', 0.4], ['de', 0.2], ['en', 0.4])), null)
  })

  it('does not depend on the order, and its winner has most of the weight', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = randomFrom(seed)
      const list = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
        language: ['en', 'de', 'fr'][Math.floor(random() * 3)]!,
        probability: random(),
      }))
      const result = vote(list)
      const turned = vote(list.toReversed())
      assert.equal(turned?.language, result?.language)
      if (result === null) continue
      const sum = (of: typeof list): number => of.reduce((all, one) => all + one.probability, 0)
      const own = sum(list.filter(({ language }) => language === result.language))
      assert.ok(own >= sum(list) / 2)
      assert.ok(Math.abs(result.probability! - own / list.length) < 1e-9)
    }
  })
})

/** Numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}
