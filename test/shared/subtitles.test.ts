import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { subtitleOptionsOf } from '../../shared/subtitle-options.ts'
import { renderSrt, renderVtt } from '../../shared/subtitles.ts'
import type { Segment } from '../../shared/transcript.ts'

const long =
  'And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do for them.'
const talk: Segment[] = [
  { start: 10, end: 17, text: long, speaker: 'Ada' },
  { start: 18, end: 19, text: 'And so?', speaker: 'Ada' },
  { start: 20, end: 20.3, text: 'Yes.', speaker: 'B & C' },
  { start: 20.4, end: 20.7, text: 'No.', speaker: 'Ada' },
]
const blocksOf = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n\n')
    .map((block) => block.replace(/^[^]*-->.*\n/, ''))

describe('subtitles', () => {
  test('of SubRip name the speaker where another one begins, and have room for it', () => {
    const blocks = blocksOf(renderSrt(talk))
    assert.match(blocks[0]!, /^Ada: And Mr\./)
    assert.ok(blocks.every((block) => block.split('\n').every((line) => line.length <= 42)))
    assert.deepEqual(blocks.slice(-2), ['And so?', 'B & C: Yes.\nAda: No.'])
    assert.doesNotMatch(blocks.slice(1, -1).join(), /Ada/)
  })

  test('of WebVTT have the voice of each cue, and an end of it where there are two', () => {
    const blocks = blocksOf(renderVtt(talk)).slice(1)
    assert.ok(blocks.slice(0, -1).every((block) => /^<v Ada>[^<]+$/.test(block)))
    assert.equal(blocks.at(-1), '<v B &amp; C>Yes.</v>\n<v Ada>No.</v>')
  })

  test('are a cue per segment on request, with its times and all its text on a line', () => {
    const plain = { subtitles: 'plain' } as const
    const segments: Segment[] = [...talk, { start: 30, end: 30, text: 'No length.' }]
    assert.deepEqual(blocksOf(renderSrt(segments, plain)), [
      `Ada: ${long}`,
      'Ada: And so?',
      'B & C: Yes.',
      'Ada: No.',
      'No length.',
    ])
    const times = [...renderVtt(segments, plain).matchAll(/^00:.*$/gm)].map(([line]) => line)
    assert.equal(times[0], '00:00:10.000 --> 00:00:17.000')
    assert.equal(times.at(-1), '00:00:30.000 --> 00:00:30.834')
  })

  test('of WebVTT have the time of each word on request, rising and within the cue', () => {
    const texts = 'We < all went home'.split(' ')
    const words = texts.map((text, i) => ({ text, start: 1 + i / 2, end: 1.4 + i / 2 }))
    // Two words that begin at once, and one that begins with the cue.
    words[2]!.start = words[1]!.start
    const segments = [{ start: 1, end: 3.4, text: texts.join(' '), words }]
    const [, block] = blocksOf(renderVtt(segments, { subtitles: 'words' }))
    assert.equal(
      block,
      'We <00:00:01.500>&lt; <00:00:01.900>all <00:00:02.500>went <00:00:03.000>home',
    )
    assert.doesNotMatch(renderSrt(segments, { subtitles: 'words' }), /<0/)
  })

  test('have lines as long and as many as is asked for', () => {
    const blocks = blocksOf(renderSrt(talk, { maxLineChars: 24, maxLines: 1 }))
    assert.ok(blocks.length > 5 && blocks.every((one) => one.length <= 24 && !one.includes('\n')))
  })

  test('last until the end of the recording at most', () => {
    const segments = [{ start: 9.8, end: 10, text: 'That was the last sentence of all.' }]
    assert.match(renderSrt(segments, {}, 10.2), /00:00:09,366 --> 00:00:10,200/)
  })
})

test('options of a job are taken where they fit', () => {
  assert.deepEqual(subtitleOptionsOf({ subtitles: 'words', max_line_chars: 32, max_lines: 1 }), {
    subtitles: 'words',
    maxLineChars: 32,
    maxLines: 1,
  })
  assert.deepEqual(subtitleOptionsOf({ subtitles: true, max_line_chars: 1, max_lines: 1.5 }), {})
})
