import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { amplify } from '../../agent/audio/amplify.ts'
import { framesIn } from '../../agent/audio/levels.ts'
import { Loudness } from '../../agent/audio/quiet-speech.ts'
import { WavReader } from '../../agent/audio/wav.ts'
import { RATE, wavHeader } from '../../shared/wav-header.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const FLOOR = -90

/** Levels of stretches one after the other: each rises and falls as syllables do, up to a level. */
function levelsOf(...stretches: [level: number, seconds: number][]): Float32Array {
  return Float32Array.from(
    stretches.flatMap(([level, seconds]) =>
      Array.from({ length: framesIn(seconds) }, (_, i) =>
        Math.max(FLOOR, level - (Math.floor(i / 5) % 2) * 15),
      ),
    ),
  )
}

describe('the loudness of speech', () => {
  const levels = levelsOf([-30, 6], [FLOOR, 3], [-60, 6], [FLOOR, 3], [-30, 6])
  const speech = [
    { start: 0, end: 6 },
    { start: 18, end: 24 },
  ]

  it('finds quiet sounds between the speech, and by how much they are quieter', () => {
    const [sound, ...more] = new Loudness(levels, speech).quietSounds()
    assert.deepEqual(more, [])
    assert.ok(Math.abs(sound!.start - 9) < 0.5 && Math.abs(sound!.end - 15) < 0.8)
    assert.equal(sound!.gain, 30)
  })

  it('finds none where the speech is as quiet, or all of it was found', () => {
    const quiet = levelsOf([-44, 6], [FLOOR, 3], [-50, 6])
    assert.deepEqual(new Loudness(quiet, [{ start: 0, end: 6 }]).quietSounds(), [])
    const all = [...speech, { start: 9, end: 15 }].toSorted((a, b) => a.start - b.start)
    assert.deepEqual(new Loudness(levels, all).quietSounds(), [])
  })

  it('finds none in what is steady, or next to nothing', () => {
    const steady = levels.map((level, i) => (i >= framesIn(9) && i < framesIn(15) ? -60 : level))
    assert.deepEqual(new Loudness(steady, speech).quietSounds(), [])
    const lost = levelsOf([-30, 6], [FLOOR, 3], [-78, 6], [FLOOR, 3])
    assert.deepEqual(new Loudness(lost, [speech[0]!]).quietSounds(), [])
  })

  it('rates speech that was found, too', () => {
    const loudness = new Loudness(levels, speech)
    assert.deepEqual(loudness.rate(speech[0]!), speech[0])
    assert.deepEqual(loudness.rate({ start: 9, end: 15 }), { start: 9, end: 15, gain: 30 })
  })
})

describe('amplify', () => {
  it('turns spans up in place, never beyond full scale, and nothing else', async () => {
    const file = path.join(folder, 'sound.wav')
    const samples = Int16Array.from({ length: 4 * RATE }, (_, i) => (i % 2 === 0 ? 100 : -100))
    samples[3.5 * RATE] = 20_000
    const bytes = Buffer.from(samples.buffer)
    await writeFile(file, Buffer.concat([wavHeader(bytes.length), bytes]))
    const spans = [
      { start: 1, end: 2, gain: 20 },
      { start: 11, end: 12, gain: 20 },
      { start: 13, end: 14, gain: 20 },
      { start: 20, end: 21, gain: 20 },
    ]
    await amplify(file, spans, { offsetSeconds: 10, signal })
    const reader = await WavReader.open(file)
    const after = (await reader.read(0, 4 * RATE)).map((sample) => Math.round(sample * 32_768))
    await reader.close()
    const size = (seconds: number): number => Math.abs(after[seconds * RATE]!)
    assert.deepEqual([0.5, 1.5, 2.5].map(size), [100, 1000, 100])
    assert.ok(size(1.002) < 300 && size(1.998) < 300)
    assert.ok(size(3.5) > 29_000 && size(3.5) < 30_000)
    assert.equal(size(3.2), 147)
  })
})
