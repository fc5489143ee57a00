import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cuesOf } from '../../shared/cues.ts'
import type { Segment } from '../../shared/transcript.ts'
import { faultsIn, linesOf } from './cue-bounds.ts'

const LONG =
  'And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them, and so my fellow Americans, ask not what your country can do for you.'
const long: Segment = { start: 10, end: 22, text: LONG }

/** Words of half a second each, from `start` on. */
function said(text: string, start = 0, more: Partial<Segment> = {}): Segment {
  const words = text.split(' ').map((one, i) => ({
    text: one,
    start: start + i / 2,
    end: start + i / 2 + 0.4,
  }))
  return { start, end: words.at(-1)!.end, text, words, ...more }
}

const textsOf = (...args: Parameters<typeof cuesOf>): string[] =>
  cuesOf(...args).map((cue) => linesOf(cue).join('/'))

describe('the cues of a transcript', () => {
  test('are cut where a sentence ends, else a clause, else a word', () => {
    const text =
      'We all went home. It was late, and it rained so hard that by then nobody could see the road.'
    assert.deepEqual(textsOf([said(text)]), [
      'We all went home.',
      'It was late,',
      'and it rained so hard that by/then nobody could see the road.',
    ])
  })

  test('show at most two lines of 42 characters of like length, and keep every word in order', () => {
    const cues = cuesOf([long])
    assert.deepEqual(faultsIn(cues), [])
    assert.equal(cues.flatMap(linesOf).join(' '), LONG)
    for (const [first, second] of cues.map(linesOf))
      assert.ok(second === undefined || Math.abs(first!.length - second.length) < 16, second)
  })

  test('begin with their first word where the engine has its time, else in proportion to the text', () => {
    for (const cue of cuesOf([said(LONG)]))
      assert.equal(cue.start, cue.voices[0]!.lines[0]![0]!.start)
    const [, second] = cuesOf([long])
    const before = LONG.indexOf(linesOf(second!)[0]!.slice(0, 12)) / LONG.length
    assert.ok(Math.abs(second!.start - (10_000 + 12_000 * before)) < 300, String(second!.start))
  })

  test('go on for as long as they take to read, and leave two frames before the next', () => {
    const text = 'This is read for two seconds, not one.'
    const found = cuesOf([
      { start: 0, end: 1, text },
      { start: 8, end: 9, text: 'Yes.' },
      { start: 9.2, end: 12, text: 'It is a sentence of its own.' },
    ])
    assert.deepEqual(
      found.map(({ start, end }) => [start, end]),
      [
        [0, 1_900],
        [8_000, 9_120],
        [9_200, 12_000],
      ],
    )
  })

  test('of short sentences of one speaker are one, and of two speakers have a line each', () => {
    const short = (speaker?: string): Segment[] =>
      ['Yes.', 'No.'].map((text, i) => ({
        start: i * 0.4,
        end: i * 0.4 + 0.3,
        text,
        ...(speaker !== undefined && { speaker: i === 0 ? 'A' : speaker }),
      }))
    assert.deepEqual(textsOf(short()), ['Yes. No.'])
    assert.deepEqual(textsOf(short('B')), ['Yes./No.'])
    const labelOf = (speaker: string): string => `${speaker}:`
    assert.deepEqual(textsOf(short('B'), { labelOf }), ['A: Yes./B: No.'])
  })

  test('of two who speak at once follow one another, each as soon as it can', () => {
    const cues = cuesOf([
      said('This is a sentence that goes on and on while the other one says something short.', 0, {
        speaker: 'A',
      }),
      said('Yes.', 2, { speaker: 'B' }),
    ])
    assert.deepEqual(faultsIn(cues), [])
    const [yes] = cues.filter(({ voices }) => voices.some(({ speaker }) => speaker === 'B'))
    assert.ok(yes!.start <= 3_000, String(yes!.start))
  })

  test('are at most seven seconds long, and a pause in a sentence is no part of them', () => {
    const slow = said('One two three', 0)
    slow.words![1] = { text: 'two', start: 9, end: 9.4 }
    slow.words![2] = { text: 'three', start: 40, end: 49 }
    slow.end = 49
    const cues = cuesOf([slow])
    assert.deepEqual(faultsIn(cues), [])
    assert.deepEqual(cues.map(linesOf), [['One'], ['two'], ['three']])
  })

  test('of a language without spaces are cut between words, and full-width characters count twice', () => {
    const text =
      '日本語の文章は空白なしで続きます。「はい」と彼は言った、そして家に帰りました。'.repeat(4)
    const cues = cuesOf([{ start: 0, end: 40, text }])
    assert.deepEqual(faultsIn(cues), [])
    assert.equal(cues.flatMap(linesOf).join(''), text)
    for (const line of cues.flatMap(linesOf)) assert.doesNotMatch(line, /^[。、」]|[「]$/)
  })

  test('of a word without end and of emoji stay within their lines', () => {
    for (const text of ['x'.repeat(200), '🎧'.repeat(60), '👩‍👩‍👧‍👦'.repeat(30)]) {
      const cues = cuesOf([{ start: 0, end: 60, text }])
      assert.equal(cues.flatMap(linesOf).join(''), text)
      assert.deepEqual(faultsIn(cues), [])
    }
  })

  test('have lines as long and as many as is asked for', () => {
    for (const options of [
      { maxLineChars: 20, maxLines: 1 },
      { maxLineChars: 32, maxLines: 3 },
      { maxLineChars: 100, maxLines: 1 },
    ])
      assert.deepEqual(faultsIn(cuesOf([said(LONG)], options), options), [])
  })

  test('of right-to-left text keep the order of its letters', () => {
    const text = 'שלום לכולם, ברוכים הבאים לפגישה של היום, אנחנו מתחילים עכשיו עם הנושא הראשון.'
    const cues = cuesOf([{ start: 0, end: 8, text }])
    assert.equal(cues.flatMap(linesOf).join(' '), text)
    assert.deepEqual(faultsIn(cues), [])
  })
})
