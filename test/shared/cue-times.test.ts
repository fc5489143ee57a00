import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSubtitles } from '../../agent/media/subtitle-text.ts'
import { timesOf } from '../../shared/cue-times.ts'
import { renderSrt, renderVtt } from '../../shared/subtitles.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'

const at = (start: number, end: number, width = 10) => ({ start, end, width })

describe('a cue', () => {
  test('without a length lasts as long as it is read, up to the next', () => {
    assert.deepEqual(timesOf([at(2_000, 2_000, 40)]), [{ start: 2_000, end: 4_000 }])
    assert.deepEqual(timesOf([at(2_000, 1_000, 40), at(3_000, 9_000)])[0], {
      start: 2_000,
      end: 2_920,
    })
  })

  test('begins later where the ones before need the time, until a pause makes up for it', () => {
    const starts = timesOf([0, 0, 0, 9_000].map((start) => at(start, start))).map(
      (one) => one.start,
    )
    assert.deepEqual(starts, [0, 914, 1_828, 9_000])
  })

  test('begins earlier where the recording ends', () => {
    const found = timesOf([at(0, 1_000), at(9_900, 10_000)], 10_000)
    assert.deepEqual(found[1], { start: 9_166, end: 10_000 })
  })

  test('of a recording too short for all of them is shorter, and runs over one of a moment', () => {
    assert.deepEqual(timesOf([at(0, 100)], 200), [{ start: 0, end: 200 }])
    assert.deepEqual(timesOf([at(0, 1)], 1), [{ start: 0, end: 83 }])
  })
})

/** What workers of any kind may hand in; each is shown by both forms with all its words. */
const HOSTILE: Record<string, unknown[]> = {
  'no length': [{ start: 3, end: 3, text: 'one two' }],
  'all at once': Array.from({ length: 300 }, (_, i) => ({ start: 0, end: 0, text: `w${i}` })),
  'many at once before another': [
    ...Array.from({ length: 40 }, () => ({ start: 0, end: 0, text: 'x' })),
    { start: 5, end: 6, text: 'x' },
  ],
  'ends before it begins': [{ start: 9, end: 1, text: 'back' }],
  'before the start': [{ start: -5, end: -4, text: 'early' }],
  'out of order': [
    { start: 8, end: 9, text: 'second' },
    { start: 1, end: 2, text: 'first' },
  ],
  'hundreds of words in a moment': [{ start: 1, end: 1.03, text: 'word '.repeat(400) }],
  'words that all begin at once': [
    {
      start: 1,
      end: 60,
      text: 'word '.repeat(60),
      words: Array.from({ length: 60 }, () => ({ start: 1, end: 1, text: 'word' })),
    },
  ],
  'beyond all time': [{ start: 1e300, end: 1e308, text: 'late' }],
  'no times at all': [{ text: 'a' }, { start: null, end: null, text: 'b' }],
}

for (const [name, segments] of Object.entries(HOSTILE)) {
  test(`segments of a worker, ${name}: every cue can be seen, in order, and no word is lost`, () => {
    const read = segmentsOf({ segments }) as Segment[]
    const words = read.flatMap(({ text }) => text.trim().split(' ')).join(' ')
    for (const text of [renderSrt(read), renderVtt(read)]) {
      const cues = parseSubtitles(text)!
      assert.equal(cues.map((cue) => cue.text.replaceAll('\n', ' ')).join(' '), words)
      for (const [i, { start, end }] of cues.entries()) {
        assert.ok(end - start >= 0.83, `${start} to ${end}`)
        assert.ok(i === 0 || start > cues[i - 1]!.end, 'one after another')
      }
    }
  })
}
