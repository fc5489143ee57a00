import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MediaInfo } from '../../agent/media/media-info.ts'
import { resultMetadata, type ResultFacts } from '../../agent/transcript/metadata.ts'
import { segmentsOf } from '../../shared/transcript.ts'
import { readPage } from '../clients/snippets.ts'

const track = {
  index: 1,
  codec: 'aac',
  sampleRate: 48_000,
  channels: 2,
  bitDepth: 16,
  language: 'eng',
  default: true,
}
const media: MediaInfo = {
  durationSeconds: 9.00001,
  format: 'mov,mp4,m4a,3gp,3g2,mj2',
  mimeType: 'video/mp4',
  bitRate: 128_000,
  creationTime: '2024-05-01T10:00:00.000000Z',
  audio: [{ ...track, index: 0 }, track],
  video: { width: 640, height: 480, fps: 25, codec: 'h264' },
  chapters: [{ startSeconds: 0, endSeconds: 9, title: 'One' }],
  subtitles: [],
}
const facts: ResultFacts = {
  kind: 'video',
  transcript: {
    language: 'en',
    languageProbability: 0.9,
    durationSeconds: 9.00001,
    segments: [
      { start: 0, end: 1, text: 'Hello there', speaker: 'A', confidence: 0.5 },
      { start: 1, end: 2, text: '' },
      { start: 2, end: 3, text: 'you', words: [{ start: 2, end: 3, text: 'you' }] },
    ],
  },
  engine: { name: 'e', model: 'm', device: 'cpu', version: '1' },
  media,
  track,
  warnings: ['w'],
  fileName: 'talk.mp4',
  fileSizeBytes: 5,
  checksum: 'ab',
}

const spokenSegments = [
  { start: 0, end: 1, text: 'Hello there', speaker: 'A', confidence: 0.5 },
  { start: 2, end: 3, text: 'you', words: [{ start: 2, end: 3, text: 'you' }] },
]

const common = {
  duration: 9,
  language: 'en',
  language_probability: 0.9,
  speakers: ['A'],
  has_speaker_info: true,
  num_speakers: 1,
  speaker_stats: [{ speaker: 'A', seconds: 1, turns: 1 }],
  word_count: 3,
  segment_count: 2,
  segments: spokenSegments.map((one) => ({ confidence: null, ...one })),
  engine: { name: 'e', model: 'm', device: 'cpu', version: '1' },
  has_speech: true,
  warnings: ['w'],
  file_name: 'talk.mp4',
  source_name: 'talk.mp4',
  file_extension: 'mp4',
  file_size: 5,
  checksum: 'ab',
  mime_type: 'video/mp4',
  audio: { codec: 'aac', sample_rate: 48_000, channels: 2, track: 1 },
}

describe('resultMetadata', () => {
  it('has every key of a film', () => {
    assert.deepEqual(resultMetadata(facts), {
      ...common,
      width: 640,
      height: 480,
      fps: 25,
      codec: 'h264',
      format: 'mov,mp4,m4a,3gp,3g2,mj2',
      bitrate: 128_000,
      has_audio: true,
      audio_codec: 'aac',
      creation_time: '2024-05-01T10:00:00.000000Z',
      has_topic_info: true,
      num_topics: 1,
      topics: [{ id: 'TOPIC_00', title: 'One', start_time: 0, end_time: 9, duration: 9 }],
      chapters: [{ start: 0, end: 9, title: 'One' }],
    })
  })

  it('has no picture for a recording', () => {
    const recording = { ...facts, kind: 'audio' as const, media: { ...media, chapters: [] } }
    assert.deepEqual(resultMetadata(recording), {
      ...common,
      channels: 2,
      sample_rate: 48_000,
      bit_depth: 16,
      has_topic_info: false,
      num_topics: 0,
      topics: [],
    })
  })

  it('has no key that the page on the format lacks', () => {
    const page = readPage('shared/docs/transcript-format.md')
    const keys = (['audio', 'video'] as const).flatMap((kind) =>
      Object.keys(resultMetadata({ ...facts, kind })),
    )
    assert.deepEqual(
      keys.filter((key) => !page.includes(`\`${key}\``)),
      [],
    )
  })

  it('gives back its segments from JSON', () => {
    const wire = JSON.parse(JSON.stringify(resultMetadata(facts))) as Record<string, unknown>
    assert.deepEqual(segmentsOf(wire), spokenSegments)
  })

  it('says when there was nothing to hear', () => {
    const { mimeType: _, ...unknown } = media
    const metadata = resultMetadata({
      ...facts,
      transcript: { language: null, durationSeconds: 1, segments: [] },
      engine: null,
      track: null,
      media: unknown,
    })
    assert.equal(metadata['has_speech'], false)
    assert.equal(metadata['audio'], null)
    assert.equal(metadata['engine'], null)
    assert.equal(metadata['language'], null)
    assert.ok(!('language_probability' in metadata))
    assert.equal(metadata['mime_type'], 'application/octet-stream')
  })
})
