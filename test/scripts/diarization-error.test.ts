import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Turn } from '../../agent/diarization/turns.ts'
import { diarizationError, rateOf } from '../../scripts/bench/diarization/error.ts'

type Given = readonly [start: number, end: number, speaker: string]

const turns = (given: readonly Given[]): Turn[] =>
  given.map(([start, end, speaker]) => ({ start, end, speaker }))

/** Total, missed, false alarm and confusion by pyannote.metrics 4.2.0, without a collar and with 0.25 s to each side. */
const MEASURED: readonly {
  reference: readonly Given[]
  found: readonly Given[]
  exact: number[]
  collar: number[]
}[] = [
  {
    reference: [
      [0.47, 1.28, 'B'],
      [1.59, 2.29, 'B'],
      [4.13, 7.03, 'A'],
      [8.38, 11.71, 'A'],
      [13.32, 16.22, 'A'],
      [15.68, 18.06, 'B'],
      [18.8, 20.31, 'B'],
    ],
    found: [
      [0.27, 1.2, 'y'],
      [1.94, 2.66, 'z'],
      [4.44, 7.41, 'x'],
      [8.46, 11.75, 'z'],
      [13.56, 15.98, 'x'],
      [15.7, 18.28, 'y'],
      [18.94, 20.06, 'y'],
    ],
    exact: [14.53, 1.71, 1.21, 3.6],
    collar: [10.03, 0.16, 0.25, 2.93],
  },
  {
    reference: [
      [1.27, 3.09, 'A'],
      [3.97, 6.23, 'C'],
      [6.63, 8.1, 'A'],
      [8.56, 11.35, 'C'],
      [10.48, 13.78, 'B'],
      [13.83, 15.41, 'A'],
      [16.88, 20.25, 'A'],
      [20.83, 24.23, 'C'],
    ],
    found: [
      [1.57, 3.33, 'y'],
      [3.8, 6.13, 'z'],
      [6.69, 8.09, 'x'],
      [8.8, 11.85, 'z'],
      [10.25, 14.21, 'x'],
      [17.02, 20.07, 'w'],
      [20.69, 23.96, 'z'],
    ],
    exact: [19.99, 2.5, 1.33, 3.3],
    collar: [14.99, 1.02, 0.25, 2.37],
  },
  {
    reference: [
      [0.59, 4.08, 'A'],
      [4.48, 6.3, 'B'],
      [8.1, 8.7, 'B'],
      [9.18, 10.31, 'A'],
      [12.05, 12.97, 'A'],
      [14.1, 17.57, 'B'],
      [18.88, 21.75, 'A'],
    ],
    found: [
      [0.53, 4.52, 'x'],
      [4.21, 6.24, 'y'],
      [7.95, 8.74, 'y'],
      [9.42, 10.28, 'x'],
      [12.34, 12.89, 'x'],
      [14.02, 17.77, 'y'],
      [19.17, 22.15, 'x'],
    ],
    exact: [14.3, 0.99, 1.64, 0.0],
    collar: [10.8, 0.08, 0.15, 0.0],
  },
  {
    reference: [
      [0.93, 2.85, 'B'],
      [3.28, 3.79, 'A'],
      [4.81, 6.08, 'B'],
      [7.84, 9.99, 'A'],
      [10.47, 11.96, 'C'],
      [13.79, 15.61, 'A'],
      [16.28, 17.11, 'C'],
      [18.33, 19.25, 'B'],
    ],
    found: [
      [0.95, 2.56, 'y'],
      [2.95, 3.92, 'x'],
      [4.66, 5.97, 'y'],
      [7.52, 9.78, 'x'],
      [10.48, 12.01, 'z'],
      [13.44, 16.02, 'z'],
      [16.26, 16.9, 'z'],
      [18.06, 19.52, 'y'],
    ],
    exact: [10.91, 0.85, 2.3, 1.82],
    collar: [6.91, 0.04, 0.37, 1.32],
  },
]

describe('the diarization error', () => {
  for (const [i, { reference, found, exact, collar }] of MEASURED.entries()) {
    it(`is what pyannote.metrics measures (${i})`, () => {
      for (const [expected, seconds] of [
        [exact, 0],
        [collar, 0.25],
      ] as const) {
        const error = diarizationError(turns(reference), turns(found), { collar: seconds })
        const { total, missed, falseAlarm, confused } = error
        const measured = [total, missed, falseAlarm, confused].map((one) => Number(one.toFixed(2)))
        assert.deepEqual(measured, expected)
      }
    })
  }

  it('maps speakers one to one', () => {
    const reference = turns([
      [0, 4, 'A'],
      [4, 6, 'B'],
    ])
    const found = turns([[0, 6, 'x']])
    assert.deepEqual(diarizationError(reference, found), {
      total: 6,
      missed: 0,
      falseAlarm: 0,
      confused: 2,
    })
  })

  it('is one where all speech is missed, and where speech is found in none', () => {
    const speech = turns([[0, 2, 'A']])
    assert.equal(rateOf(diarizationError(speech, [])), 1)
    assert.equal(rateOf(diarizationError([], speech)), 1)
    assert.equal(rateOf(diarizationError([], [])), 0)
  })
})
