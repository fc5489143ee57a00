import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { longGaps, placed, Timeline, wavParts, type Gap } from '../../agent/media/timeline.ts'

const S = 16_000
const most = 10_000 * S

/** Sound in packets of a tenth of a second. */
function recorded(...runs: [time: number, seconds: number][]): Timeline {
  const timeline = new Timeline()
  for (const [time, seconds] of runs) {
    for (let at = 0; at < seconds * 10; at++) timeline.add((time + at / 10) * S, S / 10)
  }
  return timeline
}

/** What becomes of it, in seconds. */
function steps(timeline: Timeline, origin = 0, pauses: Gap[] | 'all' = 'all'): string {
  const gaps = longGaps(timeline.runs, origin * S)
  const believed = pauses === 'all' ? gaps : pauses
  const made = placed(timeline.runs, { origin: origin * S, pauses: believed, most })
  const list = made.steps.map(({ kind, samples }) => `${kind} ${samples / S}`)
  return [...list, ...(made.clockJumps ? ['jumps'] : [])].join(', ')
}

describe('sound at its time', () => {
  it('is as it was decoded where it begins at the beginning and has no gaps', () => {
    assert.equal(steps(recorded([0, 5])), 'copy 5')
    assert.equal(steps(recorded([1.4, 5]), 1.4), 'copy 5')
  })

  it('has silence before it and in its gaps', () => {
    assert.equal(steps(recorded([3, 5], [12, 2])), 'silence 3, copy 5, silence 4, copy 2')
    assert.equal(steps(recorded([0, 5], [40, 2])), 'copy 5, silence 35, copy 2')
  })

  it('goes on where the clock was set forward or back, and nothing of it is lost', () => {
    assert.equal(steps(recorded([0, 5], [90_000, 2]), 0, []), 'copy 7, jumps')
    assert.equal(steps(recorded([100, 5], [0, 2], [4, 1]), 100), 'copy 7, silence 2, copy 1, jumps')
    assert.equal(steps(recorded([0, 2], [90_000, 1], [3, 2]), 0, []), 'copy 5, jumps')
  })

  it('never becomes longer than its file can hold', () => {
    assert.equal(steps(recorded([0, 5], [20_000, 2])), 'copy 7, jumps')
  })

  it('is cut where it overlaps a little, and where decoding began before what is asked for', () => {
    assert.equal(steps(recorded([0, 5], [4.75, 2])), 'copy 5, drop 0.25, copy 1.75')
    assert.equal(steps(recorded([10, 5]), 12), 'drop 2, copy 3')
    assert.equal(steps(recorded([10, 1], [13, 1]), 12), 'drop 1, silence 1, copy 1')
  })

  it('keeps what is rounded together, and follows a clock that drifts', () => {
    const timeline = new Timeline()
    for (let at = 0; at < 1000; at++) timeline.add(at * 1600 + (at % 3) * 8, 1600)
    assert.equal(timeline.runs.length, 1)
    const drifting = new Timeline()
    for (let at = 0; at < 1000; at++) drifting.add(at * 1602, 1600)
    const { steps: made } = placed(drifting.runs, { origin: 0, pauses: [], most })
    const length = made.reduce((sum, { samples }) => sum + samples, 0)
    assert.ok(Math.abs(length - 1000 * 1602) < 1600 + 2)
  })

  it('takes no notice of the wrong time of a single frame', () => {
    assert.equal(steps(recorded([0, 5], [2, 0.1], [5.1, 3])), 'copy 8.1')
    assert.equal(steps(recorded([0, 5], [40, 0.1], [5.1, 3])), 'copy 8.1')
  })

  it('takes no notice of times that would cut a large share of it', () => {
    const slow = new Timeline()
    for (let at = 0; at < 100; at++) slow.add(at * 1000, 1600)
    const { steps: made } = placed(slow.runs, { origin: 0, pauses: [], most })
    assert.deepEqual(made, [{ kind: 'copy', samples: 160_000 }])
    const untimed = new Timeline(false)
    for (let at = 0; at < 100; at++) untimed.add(1600 + at * 9000, 1600)
    assert.deepEqual(untimed.runs, [{ time: 1600, samples: 160_000 }])
    const unknown = new Timeline()
    for (const time of [0, NaN, NaN]) unknown.add(time, 1600)
    assert.deepEqual(unknown.runs, [{ time: 0, samples: 4800 }])
  })

  it('is written in parts of what was decoded', () => {
    const { steps: made } = placed(recorded([10, 1], [13, 1]).runs, {
      origin: 12 * S,
      pauses: [],
      most,
    })
    assert.deepEqual(wavParts(made), [
      { from: null, samples: S },
      { from: S, samples: S },
    ])
  })
})
