import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { markdownOf } from '../../agent/transcript/markdown-of.ts'
import { renderMarkdown } from '../../shared/transcript-markdown.ts'
import { speakersRequest, withSpeakerNames } from '../../shared/speaker-names.ts'

const segments = [
  { start: 0, end: 1, text: 'Speaker_00 is here.', speaker: 'Speaker_00' },
  { start: 1, end: 2, text: 'Hello.', speaker: 'Speaker_01' },
  { start: 2, end: 3, text: 'Who says that?' },
]
const markdown = (said: typeof segments): string =>
  renderMarkdown({
    kind: 'audio',
    filename: 'talk.wav',
    durationSeconds: 3,
    language: 'en',
    segments: said,
    chapters: [],
    video: null,
    audio: null,
  })
const result = {
  content: markdown(segments),
  metadata: {
    duration: 3,
    segments,
    speakers: ['Speaker_00', 'Speaker_01'],
    num_speakers: 2,
    speaker_stats: [{ speaker: 'Speaker_00', seconds: 1, turns: 1 }],
  },
}

describe('withSpeakerNames', () => {
  test('puts names for labels, in the text and the metadata, and keeps the labels', () => {
    const named = withSpeakerNames(result, { Speaker_00: 'Anna [chair]' })
    assert.deepEqual(named.metadata, {
      duration: 3,
      segments: [
        { ...segments[0], speaker: 'Anna [chair]', speaker_label: 'Speaker_00' },
        ...segments.slice(1),
      ],
      speakers: ['Anna [chair]', 'Speaker_01'],
      num_speakers: 2,
      speaker_stats: [
        { speaker: 'Anna [chair]', speaker_label: 'Speaker_00', seconds: 1, turns: 1 },
      ],
      speaker_names: { Speaker_00: 'Anna [chair]' },
    })
    const fresh = markdown([{ ...segments[0]!, speaker: 'Anna [chair]' }, ...segments.slice(1)])
    assert.equal(named.content, fresh, 'as if they had always been named so')
    const offline = { ...named.metadata, file_name: 'talk.wav', language: 'en' }
    assert.equal(markdownOf(offline), fresh, 'as `morag-agent render` makes it')
    assert.match(named.content, /\]\[Anna \(chair\)\] Speaker_00 is here\./)
  })

  test('makes one of two labels with the same name, and swaps two names', () => {
    const one = withSpeakerNames(result, { Speaker_00: 'Anna', Speaker_01: 'Anna' })
    assert.deepEqual(one.metadata.speakers, ['Anna'])
    assert.equal(one.metadata.num_speakers, 1)
    assert.match(one.content, /- \*\*Num Speakers\*\*: 1\n- \*\*Speakers\*\*: Anna\n/)
    const swapped = withSpeakerNames(result, { Speaker_00: 'Speaker_01', Speaker_01: 'Speaker_00' })
    assert.deepEqual(
      swapped.metadata.segments.map(({ speaker }) => speaker),
      ['Speaker_01', 'Speaker_00', undefined],
    )
  })

  test('leaves what has no such speakers, whatever it holds, as it is', () => {
    assert.equal(withSpeakerNames(result, {}), result)
    const odd = { content: '[x][y]\n$& text', metadata: { segments: [null, 3, { speaker: 4 }] } }
    const { content, metadata } = withSpeakerNames(odd, { y: '$1', toString: 'z' })
    assert.equal(content, odd.content)
    assert.deepEqual(metadata.segments, odd.metadata.segments)
  })
})

test('a name is one line; null and spaces give the label back', () => {
  const given = { A: ' Anna\n Maria ', B: null, C: '  ' }
  assert.deepEqual(speakersRequest.parse(given).speaker_names, { A: 'Anna Maria', B: '', C: '' })
})
