import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { splitUntimed } from '../../agent/transcription/untimed-sentences.ts'
import { markdownOf } from '../../agent/transcript/markdown-of.ts'
import type { RecognisedSegment } from '../../agent/transcription/recognised-segment.ts'
import type { Voice } from '../../agent/transcription/prepared-audio.ts'
import { PLAIN_MIX } from '../../agent/media/mix.ts'
import { convertFile, embeddedPipeline } from './embedded.ts'
import { CLIPS, TEXT_ALONE } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()

describe('segments without word times', () => {
  const voice = (channel: number | null, start: number): Voice => ({
    channel,
    mix: PLAIN_MIX,
    wavPath: '',
    doneUntil: 0,
    speech: [
      { start: 0, end: start },
      { start: start + 1, end: 10 },
    ],
  })

  test('are split within the speech of their channel, others stay for the speakers of their words', () => {
    const one = { start: 0, end: 10, text: 'Yes. Nay.' }
    const words = [
      { start: 0, end: 1, text: 'Yes.' },
      { start: 9, end: 10, text: 'Nay.' },
    ]
    const segments: RecognisedSegment[] = [
      { ...one, speaker: 'channel 0' },
      { ...one, speaker: 'channel 1' },
      { ...one, words },
    ]
    const voices = [voice(0, 4), voice(1, 5)]
    assert.deepEqual(
      splitUntimed({ segments, decided: null }, voices).map(({ start, end }) => [start, end]),
      [
        [0, 4],
        [5, 10],
        [0, 5],
        [6, 10],
        [0, 10],
      ],
    )
  })
})

test('a transcript is made of sentences, whatever an engine takes for a segment', async () => {
  const texts = ['And so, my fellow Americans:', 'ask not. Ask', 'what you can do.']
  // For what cannot be had of a real engine at will; its abilities are those of one that gives text alone.
  const engine: Engine = {
    info: { name: 'scripted', model: 'none', device: 'cpu', version: '1' },
    abilities: {
      ...TEXT_ALONE,
      deterministic: true,
      partSeconds: 30,
    },
    async prepare() {},
    async close() {},
    async transcribe({ durationSeconds }) {
      const length = durationSeconds / texts.length
      const segments = texts.map((text, i) => ({
        start: i * length,
        end: (i + 1) * length,
        text,
      }))
      return { language: 'en', segments, warnings: [] }
    },
  }
  const pipeline = await embeddedPipeline({ engine })
  const { metadata, content } = await convertFile(pipeline, folder, CLIPS.jfk.file)
  const segments = metadata['segments'] as { text: string }[]
  assert.deepEqual(
    segments.map(({ text }) => text),
    ['And so, my fellow Americans: ask not.', 'Ask what you can do.'],
  )
  assert.equal(markdownOf(metadata), content)
  assert.equal(content.match(/^\[\d\d:\d\d\]/gm)?.length, 2)
})
