import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import {
  areSeparate,
  foreignFrames,
  ownSpeech,
  separateCall,
  type Channel,
} from '../../agent/diarization/channels.ts'
import { FRAME_SECONDS } from '../../agent/audio/levels.ts'
import { covered, totalLength, type Span } from '../../shared/span.ts'
import { findSpeech } from '../../agent/audio/vad.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const modelFile = path.join(
  await ensureModel('silero-vad', { dir: modelsDir(), signal }),
  'silero_vad_v6.onnx',
)
let made = 0

/** Two mono files: what these filters make of jfk.wav [0], austen.wav [1] and noise [2], as [left] and [right]. */
async function channels(filters: string): Promise<[string, string]> {
  const wavs = ['left', 'right'].map((side) => path.join(folder, `${made}-${side}.wav`))
  made++
  const [left = '', right = ''] = wavs
  await ffmpeg`-i ${CLIPS.jfk.file} -i ${CLIPS.austen.file}
    -f lavfi -t 40 -i anoisesrc=c=pink:a=0.0005:r=16000:seed=1 -filter_complex ${filters}
    -map [left] -c:a pcm_s16le ${left} -map [right] -c:a pcm_s16le ${right}`
  return [left, right]
}

/** jfk at 1 s and at 22 s, austen at 13 s and, over the second jfk, at 28 s; 40 s in all. */
const VOICES = `
  [0:a]asplit[j1][j2];[1:a]asplit[a1][a2];
  [j1]adelay=1000[j1d];[j2]adelay=22000[j2d];[2:a]asplit=3[n1][n2][n3];
  [a1]adelay=13000[a1d];[a2]adelay=28000[a2d];
  [n1][j1d][j2d]amix=inputs=3:duration=first,volume=3[jfk];
  [n2][a1d][a2d]amix=inputs=3:duration=first,volume=3[austen];[n3]anullsink;`.replace(/\s+/g, '')
/** Both as a call with each voice in the other channel at this gain. */
const call = (gain: number): string =>
  `${VOICES}[jfk]asplit[j][jx];[austen]asplit[a][ax];
  [jx]volume=${gain}dB[jl];[ax]volume=${gain}dB[al];
  [j][al]amix=inputs=2,volume=2[left];[a][jl]amix=inputs=2,volume=2[right]`.replace(/\s+/g, '')

const speechOf = async (wavs: readonly [string, string]): Promise<[Span[], Span[]]> => [
  await findSpeech(wavs[0], { modelFile, signal }),
  await findSpeech(wavs[1], { modelFile, signal }),
]

describe('separateCall', () => {
  for (const gain of [-60, -20]) {
    it(`finds who speaks when, with the other voice at ${gain} dB`, async () => {
      const wavs = await channels(call(gain))
      const speech = await speechOf(wavs)
      const result = await separateCall(wavs, speech, { signal })
      assert.ok(result !== null)
      const [jfk, austen] = result
      // Each voice's speech is in its own channel …
      assert.ok(covered({ start: 1, end: 12 }, jfk) > 6.5)
      assert.ok(covered({ start: 13, end: 20 }, austen) > 5.5)
      // … also where both speak at once …
      assert.ok(covered({ start: 22, end: 33 }, jfk) > 6)
      assert.ok(covered({ start: 28, end: 35.1 }, austen) > 4.5)
      // … and hardly in the other's.
      assert.ok(covered({ start: 1.5, end: 12 }, austen) < 0.5)
      assert.ok(covered({ start: 13.5, end: 20 }, jfk) < 0.5)
      for (const [i, own] of result.entries()) {
        assert.ok(totalLength(own) <= totalLength(speech[i]!) + 1e-6)
        checkOrder(own)
      }
    })
  }

  it('leaves both sides whole that speak at once without crosstalk, also when one is quiet', async () => {
    for (const gain of [0, -22]) {
      const atOnce = `[0:a]apad=whole_dur=12[left];[1:a]adelay=1500,apad=whole_dur=12,volume=${gain}dB[right];[2:a]anullsink`
      const wavs = await channels(atOnce)
      const speech = await speechOf(wavs)
      assert.deepEqual(await separateCall(wavs, speech, { signal }), speech)
    }
  })

  it('takes out a voice that comes over from the other side later and by a room, and no other', async () => {
    const room = 'aecho=0.9:0.9:20|47|90:0.5|0.4|0.3'
    const bleed = `${VOICES}[jfk]asplit[j][jx];[austen]asplit[a][ax];
      [jx]adelay=120,volume=-20dB[jl];[ax]adelay=60,${room},volume=-20dB[al];
      [j][al]amix=inputs=2:duration=first,volume=2[left];[a][jl]amix=inputs=2:duration=first,volume=2[right]`
    const wavs = await channels(bleed.replace(/\s+/g, ''))
    const result = await separateCall(wavs, await speechOf(wavs), { signal })
    assert.ok(result !== null)
    const [jfk, austen] = result
    assert.ok(covered({ start: 1, end: 12 }, jfk) > 6.5)
    assert.ok(covered({ start: 28, end: 35.1 }, austen) > 4.5)
    assert.ok(covered({ start: 1.5, end: 12 }, austen) < 0.7)
    assert.ok(covered({ start: 13.5, end: 20 }, jfk) < 0.7)
  })

  it('takes the same sound on both channels for no call, equally loud or not', async () => {
    for (const gain of [0, -3, -15]) {
      const both = `${VOICES}[jfk][austen]amix=inputs=2,volume=2,asplit[left][r];[r]volume=${gain}dB[right]`
      const wavs = await channels(both)
      assert.equal(await separateCall(wavs, await speechOf(wavs), { signal }), null)
    }
  })

  it('takes a room with two microphones for no call', async () => {
    const wavs = await channels(call(-5))
    assert.equal(await separateCall(wavs, await speechOf(wavs), { signal }), null)
  })

  it('takes one voice beside an empty or a noisy channel for no call', async () => {
    const noisy = `${VOICES}[jfk]anull[left];[austen]volume=0,apad[silent];[silent]atrim=0:40[right]`
    const wavs = await channels(noisy)
    assert.equal(await separateCall(wavs, await speechOf(wavs), { signal }), null)
  })

  it('stops with the reason of the signal', async () => {
    const reason = new Error('enough')
    const wavs = [CLIPS.jfk.file, CLIPS.austen.file] as const
    const stopped = separateCall(wavs, [[], []], { signal: AbortSignal.abort(reason) })
    await assert.rejects(stopped, (error) => error === reason)
  })
})

/** A channel with a level for every second. */
function channel(seconds: readonly number[], speech: [number, number][]): Channel {
  const frames = Math.ceil(seconds.length / FRAME_SECONDS)
  const levels = Float32Array.from(
    { length: frames },
    (_, i) => seconds[Math.floor(i * FRAME_SECONDS + 1e-9)] ?? -60,
  )
  return { levels, speech: speech.map(([start, end]) => ({ start, end })) }
}

describe('areSeparate', () => {
  const [loud, low] = [-20, -50]
  const all = (n: number): [number, number][] => [[0, n]]

  it('is so for voices that take turns, also when one hardly speaks', () => {
    const turns = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? loud : low))
    const others = turns.map((level) => (level === loud ? low : loud))
    assert.ok(areSeparate(channel(turns, all(40)), channel(others, all(40))))
    const much = Array.from({ length: 40 }, (_, i) => (i === 7 ? low : loud))
    const little = much.map((level) => (level === loud ? low : loud))
    assert.ok(areSeparate(channel(much, all(40)), channel(little, [[7, 8]])))
  })

  it('is not so for music, whose sides are both there and both change', () => {
    const left = Array.from({ length: 60 }, (_, i) => -20 + 6 * Math.sin(i))
    const right = Array.from({ length: 60 }, (_, i) => -20 + 6 * Math.cos(i * 1.3))
    assert.ok(!areSeparate(channel(left, all(60)), channel(right, all(60))))
  })

  it('is not so without speech, or where only one speaks', () => {
    const left = channel([loud, loud, loud], all(3))
    assert.ok(!areSeparate(channel([loud], []), channel([low], [])))
    assert.ok(!areSeparate(left, channel([low, low, low], [])))
    assert.ok(!areSeparate(left, channel([], [])))
    const same = channel([loud, low, loud], all(3))
    assert.ok(!areSeparate(same, same))
  })
})

describe('ownSpeech', () => {
  it('is what is left without the other one’s', () => {
    const own = channel([-20, -20, -45, -45, -20, -20], [[0, 6]])
    const other = channel([-45, -45, -20, -20, -45, -45], [[0, 6]])
    const [first, second, ...more] = ownSpeech(own, foreignFrames(own, other))
    assert.deepEqual(more, [])
    assert.ok(Math.abs((first?.end ?? 0) - 2.1) < 0.2 && Math.abs((second?.start ?? 0) - 3.9) < 0.2)
    assert.deepEqual(ownSpeech(own, foreignFrames(own, channel([], []))), own.speech)
    // Whoever is quiet by nature is not cut where the other channel only hums.
    assert.deepEqual(ownSpeech(own, foreignFrames(own, { ...other, speech: [] })), own.speech)
  })

  it('is nothing where there is only the other one', () => {
    const own = channel(
      [-45, -45],
      [
        [0.1, 0.2],
        [0.5, 1.9],
      ],
    )
    assert.deepEqual(ownSpeech(own, foreignFrames(own, channel([-20, -20], [[0, 2]]))), [])
  })

  it('lies within the speech, ascending and apart, whatever the levels are', () => {
    for (let seed = 1; seed <= 200; seed++) {
      let state = seed
      const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
      const some = (): Channel => {
        const spans: [number, number][] = []
        for (let at = random(); at < 19; at += random()) {
          const start = at
          spans.push([start, (at += 0.1 + random() * 3)])
        }
        return channel(
          Array.from({ length: 20 }, () => -20 - random() * 40),
          spans,
        )
      }
      const [own, other] = [some(), some()]
      const left = ownSpeech(own, foreignFrames(own, other))
      checkOrder(left)
      for (const span of left) {
        assert.ok(Math.abs(covered(span, own.speech) - (span.end - span.start)) < 1e-9)
      }
    }
  })
})

function checkOrder(spans: readonly Span[]): void {
  let at = 0
  for (const { start, end } of spans) {
    assert.ok(start >= at && end > start)
    at = end
  }
}
