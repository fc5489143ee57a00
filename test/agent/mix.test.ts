import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chooseMix, mayBeCall, mixFilters, PLAIN_MIX, sideMix } from '../../agent/media/mix.ts'
import { MEASURED_RATE, SoundMeter, type SoundStats } from '../../agent/media/sound-stats.ts'

/** A syllable in every quarter of a second, at this level (a factor); another voice for another seed. */
function voice(factor: number, seed: number): (at: number) => number {
  return (at) => {
    const seconds = at / MEASURED_RATE
    const loud = Math.max(0, Math.sin(2 * Math.PI * (4 + seed / 7) * seconds))
    return factor * loud * Math.sin(2 * Math.PI * (310 + 97 * seed) * seconds)
  }
}

const SILENCE = (): number => 0

/** What is measured of ten seconds of that on each channel, given in odd pieces. */
function heard(channels: readonly ((at: number) => number)[]): SoundStats {
  const samples = new Float32Array(10 * MEASURED_RATE * channels.length)
  for (let i = 0; i < samples.length; i++) {
    samples[i] = channels[i % channels.length]!(Math.floor(i / channels.length))
  }
  const bytes = Buffer.from(samples.buffer)
  const meter = new SoundMeter(channels.length)
  for (let at = 0; at < bytes.length; at += 10_007) meter.push(bytes.subarray(at, at + 10_007))
  return meter.stats()
}

const one = voice(0.5, 1)
const other = voice(0.4, 2)
const times =
  (factor: number, of: (at: number) => number) =>
  (at: number): number =>
    factor * of(at)

describe('the channels of a track', () => {
  it('are mixed as ever where nothing speaks against it', () => {
    for (const [channels, layout] of [
      [[one], 'mono'],
      [[one, one], 'stereo'],
      [[one, other], null],
      [[one, other, one, SILENCE, one, one], '5.1'],
    ] as const) {
      const { mix, warnings } = chooseMix(heard(channels), layout)
      assert.deepEqual([mix.weights, mix.gain, warnings], [null, 0, []])
      assert.deepEqual(mixFilters(mix), [])
    }
  })

  it('are turned back where one is the other turned over', () => {
    const { mix, warnings } = chooseMix(heard([one, times(-0.8, one)]), 'stereo')
    assert.deepEqual(mix.weights, [0.5, -0.5])
    assert.match(warnings.join(), /cancel each other out.*channel 2 was inverted/)
    assert.deepEqual(mixFilters(mix), [
      'aformat=sample_fmts=fltp:channel_layouts=stereo',
      'pan=mono|c0=0.5*c0-0.5*c1',
    ])
  })

  it('are in the mix also where the layout has bass alone', () => {
    const three = chooseMix(heard([SILENCE, SILENCE, one]), '2.1')
    assert.deepEqual(three.mix.weights, [0, 0, 1])
    assert.match(three.warnings.join(), /more than bass on channel 3/)
    const six = chooseMix(heard([SILENCE, other, SILENCE, one, SILENCE, SILENCE]), '5.1')
    assert.deepEqual(six.mix.weights, [0, 0.5, 0, 0.5, 0, 0])
  })

  it('are those that have sound, where the layout is unknown', () => {
    const ten = chooseMix(heard([...Array.from({ length: 9 }, () => SILENCE), one]), null)
    assert.deepEqual(ten.mix.weights, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert.match(ten.warnings.join(), /its 10 channels are: only channel 10/)
    const three = chooseMix(heard([one, SILENCE, times(-1, one)]), null)
    assert.deepEqual(three.mix.weights, [0.5, 0, -0.5])
  })

  it('are the loudest alone where no signs keep the rest from cancelling it', () => {
    // Each is right as it is against the loudest, and turned over against the other.
    const late = (at: number): number => one(at) - 0.9 * other(at)
    const early = (at: number): number => 0.3 * one(at) + 0.9 * other(at)
    const stats = heard([times(1.2, one), late, early])
    const { mix } = chooseMix(stats, null)
    assert.ok((mix.weights ?? []).every((weight) => weight >= 0))
  })

  it('are one alone where the other is silent', () => {
    const { mix, warnings } = chooseMix(heard([SILENCE, one]), 'stereo')
    assert.deepEqual([mix.weights, warnings], [[0, 1], []])
  })
})

describe('the level of a track', () => {
  it('is raised where it is too low for a voice to be found, with a sentence', () => {
    const { mix, warnings } = chooseMix(heard([times(0.005, one)]), 'mono')
    assert.ok(mix.gain > 30 && mix.gain < 50, String(mix.gain))
    assert.match(warnings.join(), new RegExp(`very quiet: it was turned up by ${mix.gain} dB\\.$`))
    assert.deepEqual(mixFilters(mix), [
      'aformat=sample_fmts=fltp:channel_layouts=mono',
      `volume=${mix.gain}dB`,
    ])
    const lost = chooseMix(heard([times(0.0002, one)]), 'mono')
    assert.match(lost.warnings.join(), /words may be missing/)
  })

  it('is lowered where samples are beyond full scale', () => {
    const { mix, warnings } = chooseMix(heard([times(8, one)]), 'mono')
    assert.ok(mix.gain < -5 && mix.gain > -30, String(mix.gain))
    assert.deepEqual(warnings, [])
  })

  it('is not a click, however loud that is', () => {
    const click = (at: number): number => (at > 40_000 && at < 40_400 ? 0.9 : 0.005 * one(at))
    const { mix } = chooseMix(heard([click]), 'mono')
    assert.ok(mix.gain > 30, String(mix.gain))
  })

  it('stays where there is silence, or what is there is no number', () => {
    for (const channel of [SILENCE, () => NaN, () => 1e-6]) {
      assert.deepEqual(chooseMix(heard([channel]), 'mono'), { mix: PLAIN_MIX, warnings: [] })
    }
    assert.deepEqual(chooseMix({ channels: [], covariance: [] }, null).mix, PLAIN_MIX)
  })

  it('is that of each side of a call', () => {
    const stats = heard([one, times(0.01, other)])
    assert.deepEqual(sideMix(stats, 0), { weights: [1, 0], layout: 'stereo', gain: 0 })
    assert.ok(sideMix(stats, 1).gain > 20)
  })
})

describe('two channels', () => {
  it('may be a call when both have sound and differ', () => {
    assert.ok(mayBeCall(heard([one, other])))
    assert.ok(mayBeCall(heard([one, times(0.05, other)])))
    assert.ok(!mayBeCall(heard([one, one])))
    assert.ok(!mayBeCall(heard([one, times(-0.3, one)])))
    assert.ok(!mayBeCall(heard([one, SILENCE])))
    assert.ok(!mayBeCall(heard([SILENCE, SILENCE])))
    assert.ok(!mayBeCall(heard([one])))
  })
})
