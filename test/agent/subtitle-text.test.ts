import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseSubtitles } from '../../agent/media/subtitle-text.ts'
import { renderSrt, renderVtt } from '../../shared/subtitles.ts'

describe('subtitles', () => {
  it('are read as SRT', () => {
    const srt =
      '\uFEFF1\r\n00:00:01,500 --> 00:00:03,000\r\n<i>And</i> so\r\nmy fellow\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,250\r\nAmericans\r\n'
    assert.deepEqual(parseSubtitles(srt), [
      { start: 1.5, end: 3, text: 'And so my fellow' },
      { start: 3600, end: 3601.25, text: 'Americans' },
    ])
  })

  it('are read as WebVTT, with its speakers', () => {
    const vtt =
      'WEBVTT - made by hand\nKind: captions\n\nNOTE\nnothing of this\n\nSTYLE\n::cue { color: red }\n\nfirst\n00:01.500 --> 00:03.000 align:start position:0%\n<v.loud Mary Ann>Q&amp;A <00:02.000><c>now</c>\n\n00:04.000 --> 00:05.000\n- no &lt;tags&gt;\n'
    assert.deepEqual(parseSubtitles(vtt), [
      { start: 1.5, end: 3, text: 'Q&A now', speaker: 'Mary Ann' },
      { start: 4, end: 5, text: '- no <tags>' },
    ])
  })

  it('are read although blank lines, hours or order are missing', () => {
    const text = '2\n0:05 --> 0:06\nlate\n1\n0:01.5 --> 0:02\nearly\n1984\n'
    assert.deepEqual(parseSubtitles(text), [
      { start: 1.5, end: 2, text: 'early 1984' },
      { start: 5, end: 6, text: 'late' },
    ])
  })

  it('are nothing without speech, and refused when they are something else', () => {
    for (const empty of ['', 'WEBVTT\n\n', '\uFEFF\n', '1\n00:00:00,000 --> 00:00:01,000\n \n']) {
      assert.deepEqual(parseSubtitles(empty), [], JSON.stringify(empty))
    }
    assert.equal(parseSubtitles('Traceback (most recent call last):\n  File "x"\n'), null)
    assert.equal(parseSubtitles('{"text": "hello"}'), null)
  })

  it('are read as we write them', () => {
    const segments = [
      { start: 0, end: 1.5, text: 'A < B & C', speaker: 'Speaker_00' },
      { start: 3599.999, end: 3601, text: 'und Schluß' },
    ]
    assert.deepEqual(parseSubtitles(renderVtt(segments)), segments)
    assert.equal(parseSubtitles(renderSrt(segments))?.[1]?.text, 'und Schluß')
  })
})
