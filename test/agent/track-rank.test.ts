import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseProbe, type AudioTrack } from '../../agent/media/media-info.ts'
import { rankTracks, trackWarnings, type TrackFinds } from '../../agent/media/track-rank.ts'

const track = (
  index: number,
  language: string | null,
  more: Partial<AudioTrack> = {},
): AudioTrack => ({
  index,
  codec: 'aac',
  sampleRate: 48_000,
  channels: 2,
  language,
  default: false,
  ...more,
})

const film = [track(0, 'eng'), track(1, 'ger', { default: true })]

interface Case {
  language?: string
  wanted?: number | string
  unreadable?: number[]
  silent?: number[]
  faint?: number[]
}

/** The tracks in their order, and what is said of the first. */
function chosen(tracks: readonly AudioTrack[], of: Case = {}): [number[], string] {
  const { language = null, wanted = null, unreadable = [], silent = [], faint = [] } = of
  const finds: TrackFinds = {
    unreadable: new Set(unreadable),
    silent: new Set(silent),
    faint: new Set(faint),
  }
  const ranked = rankTracks(tracks, { language, wanted }, finds)
  const warnings = trackWarnings(tracks, ranked[0]!, { language, wanted }, finds)
  return [ranked.map(({ index }) => index), warnings.join(' ')]
}

describe('which track is used', () => {
  it('is the one in the language asked for, else the default, else the first', () => {
    assert.deepEqual(chosen(film, { language: 'en-GB' }), [
      [0, 1],
      "The file has 2 audio tracks: track 1 (eng) was used, in the job's language. Not used: 2 (ger).",
    ])
    assert.deepEqual(chosen(film, { language: 'fr' })[0], [1, 0])
    assert.match(
      chosen(film)[1],
      /track 2 \(ger\) was used, the file's default\. Not used: 1 \(eng\)/,
    )
    const plain = [track(0, null), track(1, 'fre')]
    assert.match(chosen(plain)[1], /track 1 was used, the first\. Not used: 2 \(fre\)\.$/)
    assert.deepEqual(chosen([track(0, null)]), [[0], ''])
  })

  it('is the one that is wanted before all others, by number or language', () => {
    assert.deepEqual(chosen(film, { language: 'de', wanted: 0, silent: [0] })[0], [0])
    assert.deepEqual(chosen(film, { wanted: 'en' })[0], [0])
    assert.match(chosen(film, { wanted: 'en' })[1], /was used, as requested/)
    // An index counts tracks that cannot be heard, too.
    assert.deepEqual(chosen([track(0, null), track(2, null)], { wanted: 2 })[0], [2])
  })

  it('is another one where the wanted one is not there, which is said', () => {
    const missing = chosen(film, { wanted: 2, language: 'en' })
    assert.deepEqual(missing[0], [0, 1])
    assert.match(missing[1], /^The file has no audio track 3: track 1 \(eng\) was used\. /)
    assert.match(chosen(film, { wanted: 'fr' })[1], /no audio track in 'fr': track 2 \(ger\)/)
    const one = [track(0, 'eng')]
    assert.equal(
      chosen(one, { wanted: 1 })[1],
      'The file has no audio track 2: track 1 (eng) was used.',
    )
  })

  it('is one that can be decoded and holds speech, whatever the file prefers', () => {
    const apac = [
      track(0, null, { default: true, unreadable: true, codec: 'unknown' }),
      track(1, null),
    ]
    assert.deepEqual(chosen(apac), [
      [1, 0],
      'The file has 2 audio tracks: track 2 was used, the only one that can be decoded. Not used: 1 (unknown cannot be decoded).',
    ])
    assert.deepEqual(chosen(film, { unreadable: [1] })[0], [0, 1])
    const silent = chosen(film, { silent: [1], language: 'de' })
    assert.deepEqual(silent[0], [0, 1])
    assert.match(silent[1], /the only one with speech\. Not used: 2 \(ger, almost no speech\)/)
    const faint = chosen(film, { faint: [1] })
    assert.deepEqual(faint[0], [0, 1])
    assert.match(faint[1], /the only one with loud speech\. Not used: 2 \(ger, very quiet\)/)
    assert.match(chosen(film, { silent: [0, 1] })[1], /although it has no speech either/)
  })

  it('is none on which somebody talks about the film, in whatever language', () => {
    const tracks = [
      track(0, 'eng', { about: 'commentary', title: 'The director' }),
      track(1, 'eng', { about: 'description' }),
      track(2, 'ger', { default: true }),
    ]
    const [ranked, said] = chosen(tracks, { language: 'en' })
    assert.deepEqual(ranked, [2, 0, 1])
    assert.match(said, /the only one with speech that is neither commentary nor description\. /)
    assert.match(said, /1 \(eng, "The director", commentary\), 2 \(eng, audio description\)\.$/)
    assert.deepEqual(chosen(tracks, { silent: [2] })[0], [0, 1, 2])
  })
})

describe('what is said on a track', () => {
  it('is known by its flags and its title', () => {
    const kinds = [
      [{ comment: 1 }, {}, 'commentary'],
      [{ descriptions: 1 }, {}, 'description'],
      [{ visual_impaired: 1, default: 1 }, {}, 'description'],
      [{}, { title: 'Audio commentary with the director' }, 'commentary'],
      [{}, { title: 'English (Audio Description)' }, 'description'],
      [{}, { handler_name: 'Descriptive audio description' }, 'description'],
      [{ default: 1 }, { title: 'Surround 5.1' }, undefined],
    ] as const
    const streams = kinds.map(([disposition, tags]) => ({
      codec_type: 'audio',
      codec_name: 'aac',
      sample_rate: '48000',
      channels: 2,
      disposition,
      tags,
    }))
    const json = JSON.stringify({ format: { format_name: 'matroska,webm' }, streams })
    assert.deepEqual(
      parseProbe(json).audio.map(({ about }) => about),
      kinds.map(([, , expected]) => expected),
    )
  })
})
