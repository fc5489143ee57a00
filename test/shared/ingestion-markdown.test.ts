import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { renderMarkdown } from '../../shared/transcript-markdown.ts'
import { chunkedMarkdown, ingestionMarkdown } from '../../shared/ingestion-markdown.ts'

/** How the servers' readers find chapters, lines, times and speakers; each loses what it does not find. */
const CHAPTER = /^#\s*(.+?)\s*\[\d+\](?:\n|$)/gm
const LINE =
  /^(\[\d{1,2}:\d{2}(?::\d{2})?\](?:\[[^\]]+\])?\s*.+?)(?=\n\[\d{1,2}:\d{2}|\n#|$(?![\s\S]))/gms
const TIME = /\[(\d{2}:\d{2}:\d{2})\]/
const SPEAKER = /SPEAKER_(\d+)/

const segment = (start: number, text: string, speaker?: string) => ({
  start,
  end: start + 1,
  text,
  ...(speaker !== undefined && { speaker }),
})

const talk = renderMarkdown({
  kind: 'audio',
  filename: 'talk.mp3',
  durationSeconds: 3700,
  language: 'en',
  segments: [
    segment(0, 'Welcome.', 'Speaker_00'),
    segment(61, 'To the first chapter.', 'Speaker_01'),
    segment(3605, 'And the end.', 'Speaker_11'),
  ],
  chapters: [{ startSeconds: 60, title: 'One' }],
  video: null,
  audio: null,
})

describe('the Markdown for ingestion', () => {
  test('is found in no time in a line that only begins as a chapter', () => {
    const line = `#${' '.repeat(20_000)}x`
    assert.equal(ingestionMarkdown(`${line}\n[00:00:01] Hi.`), `${line}\n[00:00:01] Hi.`)
  })

  test('has the hours and the speaker’s number on every line, and no line outside of a chapter', () => {
    assert.equal(
      ingestionMarkdown(talk).split('## Detailed Transcript\n\n')[1],
      [
        '# Ungrouped Content [0]',
        '',
        '[00:00:00][SPEAKER_00] Welcome.',
        '',
        '# One [60]',
        '',
        '[00:01:01][SPEAKER_01] To the first chapter.',
        '[01:00:05][SPEAKER_11] And the end.',
        '',
      ].join('\n'),
    )
  })

  test('is read whole by readers that take it apart by chapters and by lines', () => {
    const text = ingestionMarkdown(talk)
    const chapters = [...text.matchAll(CHAPTER)]
    assert.deepEqual(
      chapters.map(([, title]) => title),
      ['Ungrouped Content', 'One'],
    )
    const read = text.slice(chapters[0]!.index)
    const lines = [...read.matchAll(LINE)].map(([, line]) => line!)
    assert.equal(lines.length, 3)
    for (const line of lines) assert.ok(TIME.test(line) && SPEAKER.test(line), line)
  })

  test('keeps names, text and what is no transcript as they are', () => {
    const same = '# Minutes\n\nAt [12:30] we met.\n\n## Contents\n'
    assert.equal(ingestionMarkdown(same), same)
    assert.equal(
      ingestionMarkdown('[00:05][Ada] I said [01:00] once.'),
      '[00:00:05][Ada] I said [01:00] once.',
    )
    assert.equal(ingestionMarkdown('[00:05] Nobody knows who.\n'), '[00:00:05] Nobody knows who.\n')
    assert.equal(ingestionMarkdown('[1:02:03][speaker 1] Hm.'), '[01:02:03][SPEAKER_01] Hm.')
  })

  test('gains no heading without chapters, nor where the first line is in one', () => {
    assert.equal(ingestionMarkdown('[00:01] a\n[00:02] b'), '[00:00:01] a\n[00:00:02] b')
    const grouped = '# One [0]\n\n[00:00:01] a\n\n# Two [9]\n\n[00:00:09] b'
    assert.equal(ingestionMarkdown(grouped), grouped)
  })

  test('takes the time of one pass over a long text', () => {
    const long = '[00:05][Speaker_00] word\n'.repeat(100_000)
    assert.equal(ingestionMarkdown(long).length, long.length + 3 * 100_000)
  })
})

test('chunks are sections of one line each, which the servers’ readers read whole', () => {
  const chunk = (start: number, text: string, chapter: string | null) => ({ start, text, chapter })
  const text = ingestionMarkdown(
    chunkedMarkdown(talk, [
      { ...chunk(0.4, 'Welcome. All of you.', null), speakers: ['Speaker_00'] },
      { ...chunk(61, 'To the first chapter.', 'One'), speakers: [] },
    ]),
  )
  assert.equal(
    text.split('## Detailed Transcript\n\n')[1],
    [
      '# Part 1 [0]',
      '',
      '[00:00:00][SPEAKER_00] Welcome. All of you.',
      '',
      '# One [61]',
      '',
      '[00:01:01] To the first chapter.',
      '',
    ].join('\n'),
  )
  assert.deepEqual(
    [...text.matchAll(CHAPTER)].map(([, title]) => title),
    ['Part 1', 'One'],
  )
  assert.equal([...text.matchAll(LINE)].length, 2)
  assert.equal(chunkedMarkdown('No lines.', []), 'No lines.')
})
