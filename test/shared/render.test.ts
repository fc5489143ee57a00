import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { oneLine, renderText, renderTsv, spoken } from '../../shared/render.ts'
import { renderLrc, renderSrt, renderVtt } from '../../shared/subtitles.ts'
import { parseSubtitles } from '../../agent/media/subtitle-text.ts'
import type { Segment } from '../../shared/transcript.ts'

const segments: Segment[] = [
  { start: 0, end: 1.5, text: ' Hello. ' },
  { start: 1.5, end: 2, text: '   ' },
  { start: 3_723.0042, end: 3_724.0049, text: 'After an hour.', speaker: 'Ada' },
]
const one = (text: string, different: Partial<Segment> = {}): Segment[] => [
  { start: 0, end: 1, text, ...different },
]

test('SubRip has numbered cues with a comma before the milliseconds', () => {
  assert.equal(
    renderSrt(segments),
    '1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n01:02:03,004 --> 01:02:04,005\nAda: After an hour.\n',
  )
})

test('WebVTT has a head, a dot before the milliseconds and the speaker as a voice', () => {
  assert.equal(
    renderVtt(segments),
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello.\n\n01:02:03.004 --> 01:02:04.005\n<v Ada>After an hour.\n',
  )
})

test('plain text has a line per segment', () => {
  assert.equal(renderText(segments), 'Hello.\nAda: After an hour.\n')
})

test('tab-separated values are those of Whisper, with the speaker where there are some', () => {
  const [hello, , ada] = segments
  assert.equal(renderTsv([hello!]), 'start\tend\ttext\n0\t1500\tHello.\n')
  assert.equal(
    renderTsv([{ ...hello!, text: 'a\tb\nc' }, ada!]),
    'start\tend\ttext\tspeaker\n0\t1500\ta b c\t\n3723004\t3724005\tAfter an hour.\tAda\n',
  )
})

test('lyrics have a line per cue, and an empty one where a pause begins', () => {
  assert.equal(
    renderLrc([{ ...segments[0]!, text: '[00:09.00] Hello.' }, segments[2]!]),
    '[00:00.00] [00:09.00] Hello.\n[00:01.50]\n[62:03.00] Ada: After an hour.\n[62:04.01]\n',
  )
})

test('a transcript without speech is an empty file of its form', () => {
  for (const nothing of [[], one('  \n\t ')]) {
    assert.equal(renderSrt(nothing), '')
    assert.equal(renderVtt(nothing), 'WEBVTT\n')
    assert.equal(renderText(nothing), '')
  }
})

describe('a time', () => {
  const timesOf = (start: number, end: number): string =>
    renderSrt(one('x', { start, end }), { subtitles: 'plain' }).split('\n')[1]!

  test('is rounded to the millisecond, and carries over to minutes and hours', () => {
    assert.equal(timesOf(59.9996, 3_599.9996), '00:01:00,000 --> 01:00:00,000')
    assert.equal(timesOf(0.0005, 59.9994), '00:00:00,001 --> 00:00:59,999')
  })

  test('before the start is the start, and after a hundred hours has three digits', () => {
    assert.equal(timesOf(-1, 360_000), '00:00:00,000 --> 100:00:00,000')
  })
})

describe('text', () => {
  test('that breaks lines stays on one, so that it can end no cue', () => {
    const evil = 'one\n\n2\n00:00:00,000 --> 00:00:09,000\nevil\r\u2028\u2029\u0085end'
    assert.ok(renderText(one(evil)).includes('one 2 00:00:00,000 --> 00:00:09,000 evil end\n'))
    const lines = 'one 2 00:00:00,000 →\n00:00:09,000 evil end\n'
    assert.ok(renderSrt(one(evil)).endsWith(`00:00:02,200\n${lines}`))
    assert.ok(renderVtt(one(evil)).endsWith(`00:00:02.200\n${lines.replace('→', '--&gt;')}`))
    for (const render of [renderSrt, renderVtt])
      assert.equal(parseSubtitles(render(one(evil)))?.length, 1)
  })

  test('loses its control characters and keeps every other one', () => {
    assert.equal(oneLine('\u0000a\u001b[31mb\u007f\u009fc\t d '), 'a [31mb c d')
    assert.equal(oneLine('a\u202eb\u200f'), 'ab')
    assert.equal(oneLine('ünï 🎧 “x” 日本'), 'ünï 🎧 “x” 日本')
  })

  test('is escaped in WebVTT alone', () => {
    const text = 'a < b && <b>c</b> &amp;'
    assert.ok(renderVtt(one(text)).includes('a &lt; b &amp;&amp; &lt;b&gt;c&lt;/b&gt; &amp;amp;\n'))
    assert.ok(renderSrt(one(text)).includes(`${text}\n`))
    assert.ok(renderText(one(text)).includes(`${text}\n`))
  })

  test('of control characters alone says nothing', () => {
    const nothing = one('\u0000\u0007 \u001b')
    assert.deepEqual(spoken(nothing), [])
    assert.equal(renderSrt(nothing), '')
    assert.equal(renderText(nothing), '')
  })

  test('of a speaker can break out of nothing either', () => {
    const named = one('x', { speaker: 'A>\n<b> &\u0000' })
    assert.ok(renderVtt(named).includes('<v A&gt; &lt;b&gt; &amp;>x\n'))
    assert.ok(renderSrt(named).includes('A> <b> &: x\n'))
    assert.equal(renderText(named), 'A> <b> &: x\n')
  })
})
