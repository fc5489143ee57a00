import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readCheckpoint, usableAhead } from '../../agent/transcription/checkpoint.ts'
import { readByVersion1 } from './recorded/checkpoint-version-1.ts'

const SPEECH = [
  { start: 1, end: 4 },
  { start: 4, end: 9.5 },
]
const SEGMENT = { start: 1, end: 4, text: 'Good morning.' }
const MIX = { weights: [1, -0.5], layout: 'stereo', gain: 12 }
const VOICE = { channel: null, mix: MIX, speech: SPEECH, doneUntil: 4 }
const CHECKPOINT = {
  version: 1,
  source: 'abc',
  options: '[]',
  engine: { name: 'e', model: 'm', device: 'cpu', version: '1' },
  track: 0,
  seconds: 10,
  finder: 'silero',
  voices: [VOICE],
  decided: null,
  heard: { en: { seconds: 3, weighed: 2.7, knownSeconds: 3 } },
  segments: [SEGMENT],
  dropped: 0,
  warnings: [],
  ahead: [],
  diarization: null,
}
const VOICES = { models: 'models', windows: [{ turns: [[0, 0.9, 1]], voices: 'AQID' }] }
const AHEAD = {
  channel: null,
  start: 4,
  end: 9.5,
  verdict: 'known',
  language: 'en',
  languageProbability: 0.9,
  seconds: 6,
  segments: [{ start: 4, end: 9.5, text: 'And more.' }],
  dropped: 0,
  warnings: [],
}
/** As it comes, by way of the wire. */
const read = (value: unknown) =>
  readCheckpoint(JSON.parse(JSON.stringify(value)) as unknown, 'abc', '[]')

describe('a checkpoint', () => {
  it('is read when it is of the same source and options', () => {
    assert.deepEqual(read(CHECKPOINT), CHECKPOINT)
    const withAhead = { ...CHECKPOINT, ahead: [AHEAD] }
    assert.deepEqual(read(withAhead), withAhead)
    const withVoices = { ...CHECKPOINT, diarization: VOICES }
    assert.deepEqual(read(withVoices), withVoices)
    // Of an agent that uses one slot, and keeps no voices.
    const { ahead: _ahead, diarization: _voices, ...ofOne } = CHECKPOINT
    assert.deepEqual(read(ofOne), CHECKPOINT)
    // Of an agent that mixes as ffmpeg does.
    const { mix: _, ...plain } = VOICE
    const { voices } = read({ ...CHECKPOINT, voices: [plain] }) ?? {}
    assert.deepEqual(voices?.[0]?.mix, { weights: null, layout: null, gain: 0 })
    const call = [0, 1].map((channel) => ({ ...VOICE, channel }))
    assert.equal(read({ ...CHECKPOINT, voices: call })?.voices.length, 2)
    assert.equal(read({ ...CHECKPOINT, source: 'other' }), null)
    assert.equal(read({ ...CHECKPOINT, options: '[1]' }), null)
  })

  const senseless: [string, object][] = [
    ['a time before the beginning', { segments: [{ ...SEGMENT, start: -1 }] }],
    ['a time after the end', { segments: [{ ...SEGMENT, end: 1e9 }] }],
    ['a time that is no number', { segments: [{ ...SEGMENT, start: NaN }] }],
    ['an end before its start', { segments: [{ ...SEGMENT, end: 0.5 }] }],
    ['a word after the end', { segments: [{ ...SEGMENT, words: [{ ...SEGMENT, end: 1e9 }] }] }],
    ['speech after the end', { voices: [{ ...VOICE, speech: [{ start: 5, end: 500 }] }] }],
    ['speech in no order', { voices: [{ ...VOICE, speech: SPEECH.toReversed() }] }],
    ['more done than there is', { voices: [{ ...VOICE, doneUntil: 1e6 }] }],
    ['a part that is done twice', { ahead: [{ ...AHEAD, start: 1, end: 4 }] }],
    ['a part that cuts speech', { ahead: [{ ...AHEAD, end: 8 }] }],
    ['a part that begins within speech', { ahead: [{ ...AHEAD, start: 5 }] }],
    ['parts over each other', { ahead: [AHEAD, AHEAD] }],
    ['a part of no voice', { ahead: [{ ...AHEAD, channel: 1 }] }],
    [
      'text of a part after the end',
      { ahead: [{ ...AHEAD, segments: [{ ...SEGMENT, end: 1e9 }] }] },
    ],
    ['a channel alone', { voices: [{ ...VOICE, channel: 1 }] }],
    ['channels that are none', { voices: [0, 7].map((channel) => ({ ...VOICE, channel })) }],
    ['no voice', { voices: [] }],
    ['less than nothing left out', { dropped: -1 }],
    ['a length that is none', { seconds: -10 }],
    ['a mix that is a filter', { voices: [{ ...VOICE, mix: { ...MIX, layout: 'mono,anull' } }] }],
    ['an unknown finder', { finder: 'guess' }],
  ]
  for (const [what, change] of senseless) {
    it(`is not believed when it has ${what}`, () => {
      assert.equal(read({ ...CHECKPOINT, ...change }), null)
    })
  }

  it('is read by agents of before, without the parts that are ahead and the voices', () => {
    const { ahead: _, diarization: __, ...known } = CHECKPOINT
    const newer = { ...CHECKPOINT, ahead: [AHEAD], diarization: VOICES }
    assert.deepEqual(readByVersion1(newer), known)
  })

  it('keeps its text where its voices cannot be read', () => {
    for (const diarization of [
      'rubbish',
      { ...VOICES, models: 7 },
      { ...VOICES, windows: [{ turns: [[0, 'a', 1]], voices: '' }] },
    ]) {
      assert.deepEqual(read({ ...CHECKPOINT, diarization }), CHECKPOINT)
    }
  })

  it('has parts for another engine, but not those in a language that its own did not know', () => {
    const foreign = { ...AHEAD, verdict: 'foreign' }
    const begun = read({ ...CHECKPOINT, ahead: [foreign] })
    const { engine } = CHECKPOINT
    assert.deepEqual(usableAhead(begun, engine), [foreign])
    assert.deepEqual(usableAhead(begun, { ...engine, model: 'large' }), [])
    const known = read({ ...CHECKPOINT, ahead: [AHEAD] })
    assert.deepEqual(usableAhead(known, { ...engine, model: 'large' }), [AHEAD])
  })

  it('is not believed when it is something else', () => {
    for (const value of [null, [], 'text', {}, { version: 2 }]) assert.equal(read(value), null)
  })
})
