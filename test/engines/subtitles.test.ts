import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { execa } from 'execa'
import { subtitlesPython } from '../../scripts/engines/python.ts'
import { subtitlePackage } from '../../scripts/engines/subtitle.ts'
import { cuesOf } from '../../shared/cues.ts'
import { renderSrt, renderVtt } from '../../shared/subtitles.ts'
import type { Segment } from '../../shared/transcript.ts'
import { linesOf } from '../shared/cue-bounds.ts'
import { randomSegments } from '../shared/random-segments.ts'
import { seededRandom } from '../shared/seeded-random.ts'

/** Start and end in milliseconds, and the text. */
type Shown = [number, number, string]

const SAID: Segment[] = [
  { start: 0.5, end: 3, text: 'Good morning & welcome to <b>all</b> of you.', speaker: 'Ada' },
  { start: 3, end: 3.2, text: 'Yes.', speaker: 'Ben & Co' },
  { start: 3.3, end: 3.5, text: 'No.', speaker: 'Ada' },
  {
    start: 4,
    end: 9,
    text: '日本語の文章は空白なしで続きます。「はい」と彼は言った。',
    speaker: 'Ada',
  },
  { start: 9, end: 12, text: 'שלום לכולם, ברוכים הבאים.', speaker: 'Ada' },
  { start: 3_599.5, end: 3_610, text: '12 00:00:01,000 --> 00:00:02,000 is what it said, 1 & 2.' },
]
const TALKS = [SAID, ...[1, 2, 3].map((seed) => randomSegments(seededRandom(seed)).segments)]

const PYTHON = `
import io, json, sys
import srt, webvtt
ms = lambda time: round(time.total_seconds() * 1000)
at = lambda time: ((time.hours * 60 + time.minutes) * 60 + time.seconds) * 1000 + time.milliseconds
given = json.load(sys.stdin)
read = srt.parse(given["srt"])
vtt = webvtt.from_buffer(io.BytesIO(given["vtt"].encode()))
print(json.dumps({
    "srt": [[ms(cue.start), ms(cue.end), cue.content] for cue in read],
    "vtt": [[at(cue.start_time), at(cue.end_time), cue.raw_text] for cue in vtt],
}))
`

describe('subtitles are read cue for cue by', () => {
  let python = ''
  let parseSync: (
    text: string,
  ) => { type: string; data: { start: number; end: number; text: string } }[]

  before(async () => {
    const { signal } = new AbortController()
    python = await subtitlesPython({ signal })
    const folder = await subtitlePackage({ signal })
    ;({ parseSync } = createRequire(path.join(folder, 'x.js'))(folder) as {
      parseSync: typeof parseSync
    })
  })

  const escaped = (text: string): string =>
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

  for (const [i, segments] of TALKS.entries()) {
    const srt = renderSrt(segments)
    const vtt = renderVtt(segments)
    const named = cuesOf(segments, { labelOf: (speaker) => `${speaker}:` })
    const wanted: { srt: Shown[]; vtt: Shown[] } = {
      srt: named.map((cue) => [cue.start, cue.end, linesOf(cue).join('\n').replaceAll('-->', '→')]),
      vtt: cuesOf(segments).map((cue) => [
        cue.start,
        cue.end,
        cue.voices
          .map((voice) => {
            const text = escaped(linesOf({ ...cue, voices: [voice] }).join('\n'))
            const end = cue.voices.length > 1 ? '</v>' : ''
            return voice.speaker === undefined ? text : `<v ${escaped(voice.speaker)}>${text}${end}`
          })
          .join('\n'),
      ]),
    }

    test(`srt and webvtt-py (Python), talk ${i}`, async () => {
      const { stdout, stderr } = await execa(python, ['-W', 'error', '-c', PYTHON], {
        input: JSON.stringify({ srt, vtt }),
      })
      assert.equal(stderr, '')
      assert.deepEqual(JSON.parse(stdout), wanted)
    })

    test(`subtitle (npm), talk ${i}`, () => {
      const cues = (text: string): Shown[] =>
        parseSync(text)
          .filter(({ type }) => type === 'cue')
          .map(({ data }) => [data.start, data.end, data.text])
      assert.deepEqual(cues(srt), wanted.srt)
      assert.deepEqual(cues(vtt), wanted.vtt)
    })
  }
})
