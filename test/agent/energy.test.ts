import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { extremes, FRAME_SECONDS, readLevels, SILENT } from '../../agent/audio/levels.ts'
import { findSound, soundIn } from '../../agent/audio/loudness.ts'
import { totalLength, type Span } from '../../shared/span.ts'
import type { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const find = (wav: string): Promise<Span[]> => findSound(wav, { signal })
const SILENCE = 'anullsrc=r=16000:cl=mono'
const SOUNDS = {
  silence: SILENCE,
  'a hum': 'sine=f=50:r=16000',
  'a tone': 'sine=f=440:r=16000',
  'white noise': 'anoisesrc=c=white:a=0.05:r=16000:seed=3',
  'pink noise': 'anoisesrc=c=pink:a=0.05:r=16000:seed=3',
  'brown noise': 'anoisesrc=c=brown:a=0.05:r=16000:seed=3',
  'blue noise': 'anoisesrc=c=blue:a=0.05:r=16000:seed=3',
}
let made = 0

/** Sounds one after the other: files, or what ffmpeg makes for eight seconds. */
function series(...sounds: string[]): Promise<string> {
  const inputs = sounds.flatMap((sound) =>
    sound.endsWith('.wav') ? ['-i', sound] : ['-f', 'lavfi', '-t', '8', '-i', sound],
  )
  const joined = `${sounds.map((_, i) => `[${i}:a]`).join('')}concat=n=${sounds.length}:v=0:a=1`
  return ffmpeg`${inputs} -filter_complex ${joined} -ar 16000 -ac 1 -c:a pcm_s16le
    ${path.join(folder, `${made++}.wav`)}`
}

describe('findSound', () => {
  for (const [name, sound] of Object.entries(SOUNDS)) {
    it(`finds nothing in ${name}, nor where it begins and ends`, async () => {
      assert.deepEqual(await find(await series(sound)), [])
      assert.deepEqual(await find(await series(SILENCE, sound, SILENCE)), [])
    })

    it(`finds speech between ${name}`, async () => {
      const { file, seconds } = CLIPS.austen
      const spans = await find(await series(sound, file, sound))
      assert.equal(spans.length, 1)
      assert.ok(Math.abs(spans[0]!.start - 8.1) < 0.4)
      assert.ok(Math.abs(spans[0]!.end - (8 + seconds)) < 0.7)
    })
  }

  it('finds the speech of a recording that is nothing else, and its pauses', async () => {
    const seen: number[] = []
    const { file, seconds } = CLIPS.jfk
    const spans = await findSound(file, { signal, onProgress: (at) => void seen.push(at) })
    assert.ok(totalLength(spans) > 9 && spans.length > 1)
    assert.ok((spans.at(-1)?.end ?? 99) <= seconds + FRAME_SECONDS)
    assert.equal(seen.at(-1), seconds)
  })

  it('finds nothing in a file with next to nothing in it', async () => {
    for (const seconds of [5, 0.02, 0.0001]) {
      assert.deepEqual(await find(await makeSilence(folder, seconds)), [])
    }
  })

  it('stops with the reason of the signal, and refuses what is no WAV', async () => {
    const reason = new Error('enough')
    const stopped = findSound(CLIPS.jfk.file, { signal: AbortSignal.abort(reason) })
    await assert.rejects(stopped, (error) => error === reason)
    const controller = new AbortController()
    const onProgress = (): void => controller.abort(reason)
    const long = await series(CLIPS.jfk.file, CLIPS.jfk.file)
    const later = findSound(long, { signal: controller.signal, onProgress })
    await assert.rejects(later, (error) => error === reason)
    const text = path.join(folder, 'text.wav')
    await writeFile(text, 'this is no sound at all')
    await assert.rejects(find(text), (error: AppError) => error.code === 'invalid_media')
  })
})

describe('soundIn', () => {
  /** Frames of a level each: every one lasts 30 ms. */
  const levels = (...parts: [count: number, level: (i: number) => number][]): Float32Array =>
    Float32Array.from(parts.flatMap(([n, level]) => Array.from({ length: n }, (_, i) => level(i))))
  const quiet = (): number => -80
  const syllables = (i: number): number => -30 + 12 * Math.sin(i / 1.5)

  it('ends half a second after the last loud frame, and joins what is closer', () => {
    const talk = levels([100, quiet], [40, syllables], [15, quiet], [40, syllables], [100, quiet])
    const [span, ...more] = soundIn(talk)
    assert.deepEqual(more, [])
    assert.ok(Math.abs((span?.start ?? 0) - 2.8) < 0.1 && Math.abs((span?.end ?? 0) - 6.35) < 0.15)
  })

  it('leaves clicks out, and what is too quiet', () => {
    const click = (): number => -10
    assert.deepEqual(soundIn(levels([100, quiet], [1, click], [100, quiet])), [])
    const whisper = levels([200, (i) => -100 + 12 * Math.sin(i / 1.5)])
    assert.deepEqual(soundIn(whisper), [])
    assert.deepEqual(soundIn(new Float32Array()), [])
  })

  it('is ascending and apart, whatever the levels are', () => {
    for (let seed = 1; seed <= 50; seed++) {
      let state = seed
      const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
      const noise = Float32Array.from({ length: 800 }, () => -random() * random() * 120)
      let at = -1
      for (const { start, end } of soundIn(noise)) {
        assert.ok(start > at && end > start && end <= 800 * FRAME_SECONDS)
        at = end
      }
    }
  })
})

describe('readLevels', () => {
  it('gives a level for every 30 ms, and for the rest', async () => {
    const levels = await readLevels(CLIPS.jfk.file, { signal })
    assert.equal(levels.length, Math.ceil(CLIPS.jfk.seconds / FRAME_SECONDS))
    assert.ok(levels.every((level) => level >= SILENT && level <= 6))
    const silence = await readLevels(await makeSilence(folder, 1), { signal })
    assert.ok(silence.every((level) => level === SILENT))
  })
})

describe('extremes', () => {
  it('are those that one finds by looking at every neighbour', () => {
    const levels = Float32Array.from({ length: 60 }, (_, i) => (i * 37) % 41)
    for (const [before, after] of [
      [0, 0],
      [3, 5],
      [100, 2],
      [0, 15],
    ] as const) {
      for (const largest of [false, true]) {
        const slow = levels.map((_, at) => {
          const around = levels.subarray(Math.max(0, at - before), at + after + 1)
          return largest ? Math.max(...around) : Math.min(...around)
        })
        assert.deepEqual(extremes(levels, before, after, largest), slow)
      }
    }
  })
})
