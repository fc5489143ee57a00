import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSubtitles } from '../../agent/media/subtitle-text.ts'
import { visible } from '../../shared/cue-times.ts'
import { renderSrt, renderVtt } from '../../shared/render.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'

const at = (start: number, end: number, text: string) => ({ start, end, lines: [text] })

describe('a cue without a length', () => {
  test('takes the pause after it, for as long as it is read', () => {
    const long = 'x'.repeat(40)
    assert.deepEqual(visible([at(0, 1, 'a'), at(2, 2, long), at(9, 10, 'b')])[1], at(2, 4, long))
    assert.deepEqual(visible([at(2, 1, long), at(3, 4, 'b')])[0], at(2, 3, long))
    assert.deepEqual(visible([at(2, 2.01, long)]), [at(2, 4, long)])
  })

  test('is shown together with the next where that begins at once', () => {
    const cues = [at(5, 5, 'a'), at(5, 7, 'b')]
    assert.deepEqual(visible(cues), [at(5, 5.5, 'a'), at(5, 7, 'b')])
  })

  test('follows the others that have none at the same moment', () => {
    const cues = [at(1, 1, 'a'), at(1, 1, 'b'), at(1.01, 1, 'c'), at(8, 9, 'd')]
    assert.deepEqual(visible(cues), [
      at(1, 1.5, 'a'),
      at(1.5, 2, 'b'),
      at(2, 2.5, 'c'),
      at(8, 9, 'd'),
    ])
  })
})

test('cues that have a length stay as they are', () => {
  const cues = [at(0, 0.02, 'a'), at(0.01, 3, 'b'), at(2, 4, 'c')]
  assert.deepEqual(visible(cues), cues)
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
        assert.ok(end - start >= 0.019, `${start} to ${end}`)
        assert.ok(i === 0 || start >= cues[i - 1]!.start, 'in order')
      }
    }
  })
}
