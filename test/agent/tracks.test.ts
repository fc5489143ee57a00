import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AudioTrack, MediaInfo } from '../../agent/media/media-info.ts'
import { chooseSubtitles, subtitlesInstead, warningsOf } from '../../agent/media/tracks.ts'

const track = (index: number, language: string | null, preferred = false): AudioTrack => ({
  index,
  codec: 'aac',
  sampleRate: 48_000,
  channels: 2,
  language,
  default: preferred,
})

const film: MediaInfo = {
  durationSeconds: 100,
  format: 'matroska,webm',
  audio: [track(0, 'eng'), track(1, 'ger', true)],
  video: { width: 1, height: 1, fps: 1, codec: 'h264' },
  chapters: [],
  subtitles: [],
}

describe('chooseSubtitles', () => {
  it('takes text in the language asked for, else any text', () => {
    const subtitles = [
      { index: 0, codec: 'hdmv_pgs_subtitle', language: 'eng', text: false },
      { index: 1, codec: 'subrip', language: 'ger', text: true },
      { index: 2, codec: 'subrip', language: 'eng', text: true },
    ]
    assert.equal(chooseSubtitles(subtitles, 'en')?.index, 2)
    assert.equal(chooseSubtitles(subtitles, null)?.index, 1)
    assert.equal(chooseSubtitles(subtitles.slice(0, 1), 'en'), null)
  })
})

describe('subtitles with a purpose', () => {
  const subtitles = [
    { index: 0, codec: 'subrip', language: 'eng', text: true, commentary: true },
    { index: 1, codec: 'subrip', language: 'eng', text: true, forced: true },
    { index: 2, codec: 'subrip', language: 'eng', text: true, hearingImpaired: true },
    { index: 3, codec: 'subrip', language: 'eng', text: true },
    { index: 4, codec: 'subrip', language: 'ger', text: true, forced: true },
  ]

  it('are read when there is nothing better', () => {
    const left = subtitles.slice()
    for (const expected of [3, 2, 1, 0]) {
      assert.equal(chooseSubtitles(left, 'en')?.index, expected)
      left.splice(expected, 1)
    }
    assert.equal(chooseSubtitles(subtitles, 'de')?.index, 4)
  })

  it('never stand for what is said when they leave it out or are in another language', () => {
    assert.equal(subtitlesInstead(subtitles, 'en')?.index, 3)
    assert.equal(subtitlesInstead(subtitles.slice(0, 3), null)?.index, 2)
    assert.equal(subtitlesInstead(subtitles.slice(0, 2), 'en'), null)
    assert.equal(subtitlesInstead(subtitles, 'de'), null)
    assert.equal(subtitlesInstead([], null), null)
  })
})

describe('warningsOf', () => {
  const found = {
    kind: 'video',
    media: film,
    track: track(1, 'ger'),
    decodedSeconds: 100,
    subtitles: null,
  } as const

  it('has nothing to say of a film as expected', () => {
    const media = { ...film, audio: [track(0, null)] }
    assert.deepEqual(warningsOf({ ...found, media, track: track(0, null) }), [])
  })

  it('says when the sound breaks off, unless the length was only a guess', () => {
    const media = { ...film, audio: [] }
    assert.match(
      warningsOf({ ...found, media, decodedSeconds: 50 })[0] ?? '',
      /50\.0 s of 100\.0 s/,
    )
    assert.deepEqual(warningsOf({ ...found, media, decodedSeconds: 98.5 }), [])
    const raw = { ...media, format: 'aac' }
    assert.deepEqual(warningsOf({ ...found, media: raw, decodedSeconds: 50 }), [])
    // A broadcast whose sound ends before its times do has lost some, unless its clock was set.
    const broadcast = { ...media, format: 'mpegts' }
    const short = { ...found, media: broadcast, decodedSeconds: 50 }
    assert.match(String(warningsOf(short)), /50\.0 s of 100\.0 s/)
    assert.deepEqual(warningsOf({ ...short, clockJumps: true }), [])
    const guessed = { ...media, format: 'mp3', isLengthGuessed: true as const }
    assert.deepEqual(warningsOf({ ...found, media: guessed, decodedSeconds: 50 }), [])
  })

  it('does not take sound that is shorter than its film for a damaged file', () => {
    const short = { ...track(0, null), durationSeconds: 50 }
    const media = { ...film, audio: [short] }
    assert.deepEqual(warningsOf({ ...found, media, track: short, decodedSeconds: 50 }), [])
    assert.match(
      warningsOf({ ...found, media, track: short, decodedSeconds: 40 })[0] ?? '',
      /40\.0 s/,
    )
  })

  it('says when a file is not what it was sent as', () => {
    const media = { ...film, audio: [] }
    assert.match(warningsOf({ ...found, kind: 'audio', media })[0] ?? '', /sent as audio/)
    const sound = { ...media, video: null }
    assert.match(warningsOf({ ...found, media: sound })[0] ?? '', /sent as video/)
  })

  it('says where the text of a mute film is from', () => {
    const mute = { ...found, track: null, decodedSeconds: 0 }
    assert.match(warningsOf(mute)[0] ?? '', /no sound.*chapters/)
    const subtitles = { index: 0, codec: 'subrip', language: 'eng', text: true }
    assert.match(warningsOf({ ...mute, subtitles })[0] ?? '', /subtitle track 1 \(eng\)/)
  })

  it('says that subtitles were preferred to the sound', () => {
    const subtitles = { index: 1, codec: 'subrip', language: 'eng', text: true }
    const preferred = { ...found, track: null, decodedSeconds: 0, subtitles, preferred: true }
    assert.deepEqual(warningsOf(preferred), [
      "The text is the file's subtitle track 2 (eng): its sound was not transcribed.",
    ])
  })
})
