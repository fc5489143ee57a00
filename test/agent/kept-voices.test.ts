import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { unitOf, type Embedding } from '../../agent/diarization/cluster-voices.ts'
import { findTurns, SHIFT } from '../../agent/diarization/diarization.ts'
import { VoicesKeeper, keptVoices, type KeptVoices } from '../../agent/diarization/kept-voices.ts'
import type { SpeakerModels } from '../../agent/diarization/speaker-models.ts'
import type { Turn } from '../../agent/diarization/turns.ts'
import {
  packVoices,
  shortened,
  unpackVoices,
  type WindowVoices,
} from '../../agent/diarization/window-voices.ts'
import { RATE, wavHeader } from '../../shared/wav-header.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const SIZE = 16
const random = seededRandom(3)
const vector = (): Embedding => unitOf(Float32Array.from({ length: SIZE }, () => random() - 0.5))
const [ANNA, BEN] = [vector(), vector()]
/** Who speaks in each second, again and again: silence is 0. */
const TALK = [1, 1, 1, 0, 2, 2, 2, 2, 1, 1, 0, 2, 2, 1]

/** A recording in which the value of all samples says who speaks. */
async function conversation(seconds: number): Promise<string> {
  const samples = Int16Array.from(
    { length: seconds * RATE },
    (_, i) => TALK[Math.floor(i / RATE) % TALK.length]! * 1000,
  )
  const file = path.join(folder, `${seconds}.wav`)
  const bytes = Buffer.from(samples.buffer)
  await writeFile(file, Buffer.concat([wavHeader(bytes.length), bytes]))
  return file
}

/** Models that know who speaks by the value of the samples. They count how often they are asked. */
class ToyModels implements SpeakerModels {
  readonly size = SIZE
  segmented = 0
  embedded = 0

  segment(window: Float32Array) {
    this.segmented++
    const turns: { start: number; end: number; speaker: number }[] = []
    for (let at = 0; at < window.length / RATE; at++) {
      const speaker = Math.round(window[at * RATE]! * 32.768)
      const last = turns.at(-1)
      if (last !== undefined && last.speaker === speaker && last.end === at) last.end++
      // Times as a model has them: no whole milliseconds.
      else turns.push({ start: at === 0 ? 0 : at + 0.00037, end: at + 1, speaker })
    }
    return turns.filter(({ speaker }) => speaker > 0)
  }

  embed(samples: Float32Array): Embedding | null {
    this.embedded++
    if (samples.length < RATE / 10) return null
    const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length
    const voice = mean * 32.768 < 1.5 ? ANNA : BEN
    return unitOf(voice.map((value, i) => value + Math.sin(samples.length + i) / 20))
  }
}

/** @param stopAfter windows, as an agent that dies then. */
async function run(
  wavPath: string,
  { done = [], stopAfter = Infinity }: { done?: WindowVoices[]; stopAfter?: number } = {},
) {
  const models = new ToyModels()
  const windows = [...done]
  let turns: Turn[] | null = null
  try {
    const question = { wavPath, min: null, max: null, done }
    turns = await findTurns(
      question,
      () => models,
      (_, computed) => {
        if (computed === undefined) return
        windows.length = computed.index
        // By way of the wire.
        windows.push(JSON.parse(JSON.stringify(computed.window)) as WindowVoices)
        if (windows.length >= stopAfter) throw new Error('killed')
      },
    )
  } catch (error) {
    assert.equal((error as Error).message, 'killed')
  }
  return { turns, windows, segmented: models.segmented, embedded: models.embedded }
}

describe('the voices of a recording', () => {
  it('are computed from where an earlier attempt ended, with the same turns', async () => {
    const wavPath = await conversation(63)
    const whole = await run(wavPath)
    assert.equal(new Set(whole.turns?.map(({ speaker }) => speaker)).size, 2)
    assert.equal(whole.segmented, 12)
    for (let stopAfter = 1; stopAfter <= 12; stopAfter++) {
      const begun = await run(wavPath, { stopAfter })
      const rest = await run(wavPath, { done: begun.windows })
      assert.deepEqual(rest.turns, whole.turns)
      assert.deepEqual(rest.windows, whole.windows)
      assert.equal(begun.segmented + rest.segmented, whole.segmented)
      assert.equal(begun.embedded + rest.embedded, whole.embedded)
    }
  })

  it('are computed again where those that were kept do not fit, and all after them', async () => {
    const wavPath = await conversation(33)
    const whole = await run(wavPath)
    const other = packVoices([ANNA, BEN], SIZE)
    const damaged = whole.windows.map((one, i) => (i === 2 ? { ...one, voices: other } : one))
    const rest = await run(wavPath, { done: damaged })
    assert.deepEqual(rest.turns, whole.turns)
    assert.equal(rest.segmented, 1)
  })

  it('keep the times of the models exactly', () => {
    for (let i = 0; i < 1000; i++) {
      const time = Math.fround(random() * 10)
      assert.equal(Math.fround(shortened(time)), time)
      assert.ok(String(shortened(time)).length <= 14)
    }
  })

  it('lose next to nothing by how they are kept', () => {
    for (let i = 0; i < 50; i++) {
      const [one, other] = [vector(), vector()]
      const [first, none, second] = unpackVoices(packVoices([one, null, other], SIZE), 3, SIZE)!
      const cosine = (a: Embedding, b: Embedding): number =>
        a.reduce((sum, value, at) => sum + value * b[at]!, 0)
      assert.equal(none, null)
      assert.ok(Math.abs(cosine(first!, second!) - cosine(one, other)) < 0.01)
      assert.ok(cosine(first!, one) > 0.9999)
    }
    assert.equal(unpackVoices(packVoices([ANNA], SIZE), 2, SIZE), null)
    assert.deepEqual(unpackVoices('', 0, SIZE), [])
  })
})

describe('a keeper of voices', () => {
  const window = (size = 4): WindowVoices => ({ turns: [[0, 10, 1]], voices: 'A'.repeat(size) })

  it('hands on each five minutes, then each tenth more, and the rest at the end', () => {
    const kept: number[] = []
    const keeper = new VoicesKeeper('models', {
      begun: null,
      keep: ({ windows }) => kept.push(windows.length),
    })
    for (let i = 0; i < 1000; i++) keeper.add(i, window())
    keeper.save()
    keeper.save()
    assert.deepEqual(kept.slice(0, 3), [60, 120, 180])
    assert.equal(kept.at(-1), 1000)
    assert.ok(kept.length < 20)
  })

  it('goes on with what the same models made, and with nothing of others', () => {
    const begun: KeptVoices = { models: 'models', windows: [window(), window()] }
    assert.equal(new VoicesKeeper('models', { begun, keep() {} }).windows.length, 2)
    assert.equal(new VoicesKeeper('others', { begun, keep() {} }).windows.length, 0)
  })

  it('has room for three hours of speech, and keeps the beginning of more', () => {
    /** Of 192 values each, seven in five seconds. */
    const size = Math.ceil((192 * 7 * 4) / 3)
    let last: KeptVoices | null = null
    const keeper = new VoicesKeeper('models', { begun: null, keep: (voices) => (last = voices) })
    for (let i = 0; i < (10 * 3600) / SHIFT; i++) keeper.add(i, window(size))
    keeper.save()
    const { windows } = last as unknown as KeptVoices
    assert.ok(windows.length * SHIFT >= 3 * 3600)
    assert.ok(JSON.stringify(last).length <= 4 * 1024 * 1024 + 100)
    assert.deepEqual(keptVoices.parse(JSON.parse(JSON.stringify(last))), last)
  })

  it('forgets what was of no use', () => {
    const kept: KeptVoices[] = []
    const begun: KeptVoices = {
      models: 'models',
      windows: Array.from({ length: 9 }, () => window()),
    }
    const keeper = new VoicesKeeper('models', { begun, keep: (voices) => kept.push(voices) })
    keeper.add(3, window(8))
    keeper.save()
    assert.equal(kept[0]?.windows.length, 4)
  })
})
