import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import {
  joinWindows,
  planWindows,
  quietest,
  WHISPER_WINDOWS,
  windowsOf,
} from '../../agent/audio/windows.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { wavOf } from './replay/spoken-words.ts'

const folder = tempFolder()
const span = (start: number, end: number) => ({ start, end })

/** Speech with one sound, with a short silence at each of these times. */
async function recording(seconds: number, silences: readonly number[]): Promise<string> {
  const edges = [0, ...silences.flatMap((at) => [at, at + 0.12]), seconds]
  const words = edges.flatMap((start, i) =>
    i % 2 === 0 ? [{ start, end: edges[i + 1]!, text: 'a' }] : [],
  )
  const wavPath = path.join(folder, `${seconds}-${silences.join('-')}.wav`)
  await writeFile(wavPath, wavOf(words, seconds))
  return wavPath
}

describe('windows', () => {
  it('are cut at the longest pauses, with silence around them but never twice the same', () => {
    const speech = [span(1, 10), span(10.3, 16), span(17.6, 24), span(24.4, 33)]
    const windows = planWindows(speech, WHISPER_WINDOWS, 40)
    assert.deepEqual(
      windows.map((window) => window.speech),
      [speech.slice(0, 2), speech.slice(2)],
    )
    assert.deepEqual(
      windows.map(({ audio }) => audio),
      [span(0.5, 16.5), span(17.1, 33.5)],
    )
  })

  it('end at long pauses', () => {
    const speech = [span(1, 2), span(7, 8)]
    assert.equal(planWindows(speech, WHISPER_WINDOWS, 10).length, 2)
    assert.equal(planWindows(speech, { ...WHISPER_WINDOWS, maxGap: 5 }, 10).length, 1)
  })

  it('cut speech without a pause where it is quietest', async () => {
    const wavPath = await recording(61, [22.5, 47])
    // The VAD has cut it elsewhere.
    const speech = [span(0, 20), span(20, 40), span(40, 60)]
    const windows = await windowsOf(wavPath, speech, WHISPER_WINDOWS)
    const cuts = windows.slice(1).map(({ audio }) => audio.start)
    assert.equal(cuts.length, 2)
    assert.ok(Math.abs(cuts[0]! - 22.56) < 0.05 && Math.abs(cuts[1]! - 47.06) < 0.05, cuts.join())
    assert.equal(windows[0]!.audio.end, cuts[0])
    assert.deepEqual(windows[0]!.speech, [span(0, cuts[0]!)])
  })

  it('are joined up to a length', () => {
    const windows = planWindows([span(0, 20), span(21, 41), span(42, 62)], WHISPER_WINDOWS, 62)
    const joined = joinWindows(windows, 45)
    assert.deepEqual(
      joined.map(({ audio }) => [audio.start, audio.end]),
      [
        [0, 41.5],
        [41.5, 62],
      ],
    )
    assert.equal(joined[0]!.speech.length, 2)
    assert.equal(windows[0]!.audio.end, 20.5)
  })

  it('hold all speech, once, in order, whatever comes', () => {
    const random = seededRandom(3)
    for (let round = 0; round < 200; round++) {
      const speech = []
      let at = random() * 3
      for (let i = 0; i < 40; i++) {
        const end = at + 0.25 + random() * 12
        speech.push(span(at, end))
        at = end + (random() < 0.2 ? 0 : random() * 6)
      }
      let reached = 0
      const windows = planWindows(speech, WHISPER_WINDOWS, at)
      for (const { audio, speech: inside } of windows) {
        assert.ok(audio.start >= reached - 1e-9 && audio.end <= at + 1e-9)
        assert.ok(inside[0]!.start >= audio.start && inside.at(-1)!.end <= audio.end)
        assert.ok(audio.end - audio.start <= 28 + 1e-9 || inside.length === 1)
        reached = audio.end
      }
      const held = windows.flatMap((window) => window.speech)
      assert.equal(held[0]!.start, speech[0]!.start)
      assert.equal(held.at(-1)!.end, speech.at(-1)!.end)
      const length = (spans: readonly { start: number; end: number }[]): number =>
        spans.reduce((sum, { start, end }) => sum + end - start, 0)
      assert.ok(Math.abs(length(held) - length(speech)) < 1e-6)
    }
  })
})

describe('quietest', () => {
  it('finds the pause in a noise', () => {
    const samples = Float32Array.from({ length: 1600 }, (_, i) => (i % 2 === 0 ? 0.5 : -0.5))
    samples.fill(0.01, 1000, 1200)
    const at = quietest(samples, 400, 1600, 1000)
    assert.ok(at > 1000 && at < 1200)
  })

  it('takes the middle where there is no room to look', () => {
    assert.equal(quietest(new Float32Array(100), 40, 60, 1000), 50)
  })
})
