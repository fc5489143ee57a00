import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { recognise } from '../../agent/recognition.ts'
import type { Understood } from '../../agent/understood.ts'
import { OPTIONS } from './engine-request.ts'
import { CLIPS, tempFolder } from './fixtures.ts'

const workDir = tempFolder()

/** A fake engine that says of its progress and of times what no engine should. */
const confused: Engine = {
  info: { name: 'fake', model: 'none', device: 'cpu', version: '1' },
  abilities: {
    languages: null,
    translate: false,
    words: false,
    speakers: false,
    prompt: false,
    hotwords: false,
    partSeconds: 3,
  },
  prepare: () => Promise.resolve(),
  transcribe(request) {
    for (const at of [NaN, -5, Infinity, 1e9]) request.onProgress(at)
    const text = 'Ask what you can do for your country.'
    return Promise.resolve({
      language: null,
      segments: [{ start: NaN, end: NaN, text }],
      warnings: ['It is confused.'],
    })
  },
  close: () => Promise.resolve(),
}

describe('a recognition', () => {
  it('has times and progress within the recording, whatever its engine says', async () => {
    const understood: Understood = {
      decided: null,
      heard: {},
      segments: [],
      dropped: 0,
      warnings: [],
    }
    const speech = [
      { start: 0.5, end: 3 },
      { start: 4, end: 10.5 },
    ]
    const seen: number[] = []
    await recognise(confused, {
      voices: [{ channel: null, wavPath: CLIPS.jfk.file, speech, doneUntil: 0 }],
      offsetSeconds: 0,
      totalSeconds: 11,
      options: OPTIONS,
      workDir,
      slot: { index: 0, gpu: null },
      signal: new AbortController().signal,
      understood,
      onProgress: (seconds) => seen.push(seconds),
      onPart: () => undefined,
    })
    assert.equal(seen.at(-1), 11)
    assert.ok(seen.every((seconds) => seconds >= 0 && seconds <= 11))
    assert.equal(understood.segments.length, 2)
    for (const { start, end } of understood.segments) assert.ok(start >= 0 && end <= 11)
    assert.deepEqual(understood.warnings, ['It is confused.'])
  })
})
