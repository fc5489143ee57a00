import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cuesOf } from '../../shared/cues.ts'
import { renderSrt, renderVtt } from '../../shared/render.ts'
import type { Segment } from '../../shared/transcript.ts'

const LONG =
  'And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them, and so my fellow Americans, ask not what your country can do for you.'
const long: Segment = { start: 10, end: 30, text: LONG }
/** Wide characters count twice. */
const width = (line: string): number =>
  Array.from(line).reduce((sum, one) => sum + (/[\u3000-\u9fff]/.test(one) ? 2 : 1), 0)

describe('the cues of a segment', () => {
  test('show at most two lines of 42 characters, and keep every word in order', () => {
    const cues = cuesOf(long)
    const lines = cues.flatMap((cue) => cue.lines)
    assert.ok(cues.every((cue) => cue.lines.length <= 2))
    assert.ok(lines.every((line) => line.length <= 42))
    assert.equal(lines.join(' '), LONG)
  })

  test('follow one another from the beginning of the segment to its end', () => {
    const cues = cuesOf(long)
    assert.deepEqual([cues[0]!.start, cues.at(-1)!.end], [10, 30])
    for (const [at, cue] of cues.entries()) {
      assert.ok(cue.end > cue.start)
      if (at > 0) assert.equal(cue.start, cues[at - 1]!.end)
    }
  })

  test('leave no word alone at the end', () => {
    const shortest = Math.min(...cuesOf(long).flatMap(({ lines }) => lines.map(width)))
    assert.ok(shortest > 20, `a line has ${shortest} characters`)
  })

  test('begin with their first word where the engine has its time', () => {
    const words = LONG.split(' ').map((text, at) => ({
      text,
      start: 10 + at / 2,
      end: 10.4 + at / 2,
    }))
    const cues = cuesOf({ ...long, words })
    for (const { start, lines } of cues.slice(1)) {
      assert.ok(words.some((word) => word.start === start && lines[0]!.startsWith(word.text)))
    }
  })

  test('of a text that fits are the text', () => {
    assert.deepEqual(cuesOf({ start: 0, end: 1, text: ' Hello. ' }), [
      { start: 0, end: 1, lines: ['Hello.'] },
    ])
  })

  test('of a language without spaces, of a word without end and of emoji stay within their lines', () => {
    for (const text of [
      '日本語の文章は空白なしで続きます。'.repeat(8),
      'x'.repeat(200),
      '🎧'.repeat(60),
    ]) {
      const lines = cuesOf({ start: 0, end: 60, text }).flatMap((cue) => cue.lines)
      assert.equal(lines.join(''), text)
      assert.ok(lines.every((line) => width(line) <= 42))
    }
  })
})

test('the speaker is named where a segment begins, and has room there', () => {
  const [first, ...others] = renderSrt([{ ...long, speaker: 'Speaker_00' }]).split('\n\n')
  assert.match(first!, /\nSpeaker_00: And /)
  assert.ok(first!.split('\n').every((line) => line.length <= 42))
  assert.doesNotMatch(others.join(), /Speaker_00/)
})

test('every cue of WebVTT has its voice', () => {
  const cues = renderVtt([{ ...long, speaker: 'Ada' }])
    .split('\n\n')
    .slice(1)
  assert.ok(cues.length > 1 && cues.every((cue) => /\n<v Ada>\S/.test(cue)))
})
