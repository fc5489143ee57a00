import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  renderMarkdown,
  speakersOf,
  wordCount,
  type Content,
} from '../../shared/transcript-markdown.ts'

const segments = [
  { start: 0.4, end: 2, text: 'Hello and welcome.', speaker: 'Speaker_00' },
  { start: 2, end: 3, text: ' \n ', speaker: 'Speaker_02' },
  { start: 65.9, end: 70, text: 'Thank you.', speaker: 'Speaker_01' },
  { start: 3725, end: 3730, text: 'A line of nobody known,\nafter the first hour.' },
]

const audio: Content = {
  kind: 'audio',
  filename: 'talk.mp3',
  durationSeconds: 3730.9,
  language: 'en',
  segments,
  chapters: [],
  video: null,
  audio: { codec: 'mp3', sampleRate: 44_100, channels: 2 },
}

const video: Content = {
  ...audio,
  kind: 'video',
  filename: 'talk.mp4',
  durationSeconds: 62,
  segments: segments.slice(0, 1),
  video: { width: 1280, height: 720, fps: 29.97, codec: 'h264' },
  audio: { codec: 'aac', sampleRate: 48_000, channels: 1 },
}

describe('renderMarkdown', () => {
  it('writes a recording as MoRAG reads it', () => {
    assert.equal(
      renderMarkdown(audio),
      `# Audio Transcription: talk.mp3

## Metadata

- **Duration**: 01:02:10
- **Language**: en
- **Num Speakers**: 2
- **Speakers**: Speaker_00, Speaker_01
- **Word Count**: 14

## Detailed Transcript

[00:00][Speaker_00] Hello and welcome.
[01:05][Speaker_01] Thank you.
[01:02:05] A line of nobody known, after the first hour.
`,
    )
  })

  it('writes a film with its facts', () => {
    assert.equal(
      renderMarkdown(video),
      `# Video Analysis: talk.mp4

## Video Information

- **Duration**: 01:02
- **Resolution**: 1280x720
- **Frame Rate**: 29.97 fps
- **Video Codec**: h264
- **Audio Codec**: aac
- **Audio**: 48000 Hz, 1 channel

## Transcript

[00:00][Speaker_00] Hello and welcome.
`,
    )
  })

  it('leaves out what is unknown', () => {
    const content = renderMarkdown({ ...audio, language: null, segments: [] })
    assert.equal(
      content,
      `# Audio Transcription: talk.mp3

## Metadata

- **Duration**: 01:02:10
- **Word Count**: 0

## Detailed Transcript
`,
    )
    const mute = renderMarkdown({ ...video, video: null, audio: null, segments: [] })
    assert.match(mute, /Information\n\n- \*\*Duration\*\*: 01:02\n- \*\*Audio\*\*: none\n\n## Tr/)
  })

  it('puts each chapter over its lines, also one without any', () => {
    const chapters = [
      { startSeconds: 1.5, title: 'The \n beginning' },
      { startSeconds: 65, title: '' },
      { startSeconds: 100.7, title: 'Nothing said' },
      { startSeconds: 3725, title: 'The end' },
    ]
    const content = renderMarkdown({ ...audio, chapters })
    assert.equal(
      content.slice(content.indexOf('## Detailed Transcript')),
      `## Detailed Transcript

[00:00][Speaker_00] Hello and welcome.

# The beginning [1]

# Chapter 2 [65]

[01:05][Speaker_01] Thank you.

# Nothing said [100]

# The end [3725]

[01:02:05] A line of nobody known, after the first hour.
`,
    )
  })

  it('keeps names and lines from changing its form', () => {
    const hostile = renderMarkdown({
      ...audio,
      filename: 'a\n# b.mp3',
      segments: [{ start: 1, end: 2, text: 'x\n## y', speaker: 'A] [B\n' }],
    })
    assert.match(hostile, /^# Audio Transcription: a # b\.mp3\n/)
    assert.match(hostile, /\n\[00:01\]\[A\) \(B\] x ## y\n$/)
    assert.equal(hostile.split('\n').filter((line) => line.startsWith('#')).length, 3)
  })
})

describe('speakersOf and wordCount', () => {
  it('count only what is said', () => {
    assert.deepEqual(speakersOf(segments), ['Speaker_00', 'Speaker_01'])
    assert.equal(wordCount(segments), 14)
    const said = (text: string) => [{ start: 0, end: 1, text }]
    assert.equal(wordCount(said('今天天气很好。')), 3)
    assert.equal(wordCount(said('สวัสดีครับ well-known 2.5')), 4)
    assert.equal(wordCount([]), 0)
  })
})
