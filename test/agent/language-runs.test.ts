import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  changeAt,
  replaced,
  runAt,
  runsOf,
  smoothed,
  speechBetweenChanges,
  spokenIn,
  type LanguageWindow,
} from '../../agent/transcription/language-runs.ts'
import { seededRandom } from '../shared/seeded-random.ts'

type Row = [language: string | null, probability: number, seconds?: number, pause?: number]

/** Windows one after the other, of 10 s each, with 1 s between them. */
function windows(...rows: Row[]): LanguageWindow[] {
  let at = 0
  return rows.map(([language, probability, seconds = 10, pause = 1]) => {
    const start = at + pause
    at = start + seconds
    const detected = language === null ? null : { language, probability }
    return { start, end: at, seconds, detected }
  })
}

describe('the language of a window', () => {
  it('is the one that was detected in it', () => {
    const found = smoothed(windows(['en', 0.9], ['de', 0.9], ['en', 0.9], ['fr', 0.6]))
    assert.deepEqual(found, ['en', 'de', 'en', 'fr'])
  })

  it("is its neighbours' where it is improbable, short or unknown", () => {
    for (const odd of [
      ['cy', 0.59],
      ['de', 0.95, 2.9],
      [null, 0],
    ] as Row[]) {
      assert.deepEqual(smoothed(windows(['en', 0.9], odd, ['en', 0.9])), ['en', 'en', 'en'])
      assert.deepEqual(smoothed(windows(odd, ['en', 0.9])), ['en', 'en'])
      assert.deepEqual(smoothed(windows(['en', 0.9], odd)), ['en', 'en'])
    }
  })

  it('is that of the nearer neighbour where they differ', () => {
    const found = (before: number, after: number) =>
      smoothed(windows(['en', 0.9], ['cy', 0.4, 10, before], ['de', 0.9, 10, after]))
    assert.deepEqual(found(2, 1), ['en', 'de', 'de'])
    assert.deepEqual(found(1, 2), ['en', 'en', 'de'])
  })

  it('is its own where the next one agrees: both together are long and certain enough', () => {
    assert.deepEqual(smoothed(windows(['en', 0.9], ['de', 0.9, 2], ['de', 0.4, 2], ['en', 0.9])), [
      'en',
      'de',
      'de',
      'en',
    ])
  })

  it('is unknown where none is certain', () => {
    assert.deepEqual(smoothed(windows(['en', 0.5], ['de', 0.4])), [null, null])
    assert.deepEqual(smoothed([]), [])
  })
})

describe('the runs of one language', () => {
  it('begin with the first window of theirs, the first with the recording', () => {
    assert.deepEqual(runsOf(windows(['en', 0.75], ['en', 1], ['cy', 0.5], ['de', 0.75])), [
      { start: 0, language: 'en', probability: (0.75 + 1) / 3 },
      { start: 34, language: 'de', probability: 0.75 },
    ])
  })

  it('are what the windows vote for where none is certain, or none', () => {
    const even = runsOf(windows(['de', 0.5], ['de', 0.5], ['de', 0.5]))
    assert.deepEqual(even, [{ start: 0, language: 'de', probability: 0.5 }])
    assert.deepEqual(runsOf(windows(['en', 0.5], ['de', 0.5])), [])
    assert.deepEqual(runsOf(windows([null, 0])), [])
    assert.deepEqual(runsOf([]), [])
  })

  it('have no probability where the engine says none, whose votes count whole', () => {
    const unrated = (language: string, start: number): LanguageWindow => ({
      start,
      end: start + 10,
      seconds: 10,
      detected: { language, probability: null },
    })
    const all = [unrated('en', 0), unrated('en', 11), unrated('de', 22)]
    const runs = [
      { start: 0, language: 'en', probability: null },
      { start: 22, language: 'de', probability: null },
    ]
    assert.deepEqual(runsOf(all), runs)
    const voices = [{ speech: [{ start: 0, end: 32 }], languages: runs }]
    assert.deepEqual(spokenIn(voices), [
      { language: 'en', probability: null },
      { language: 'de', probability: null },
    ])
  })

  it('alternate, ascend, and hold every time of the recording', () => {
    const random = seededRandom(5)
    for (let round = 0; round < 300; round++) {
      const rows = Array.from({ length: 1 + Math.floor(random() * 12) }, (): Row => {
        const language = ['en', 'de', 'fr', null][Math.floor(random() * 4)]!
        return [language, random(), random() * 10, random() * 3]
      })
      const all = windows(...rows)
      const runs = runsOf(all)
      for (const [at, run] of runs.entries()) {
        assert.ok(run.probability! > 0 && run.probability! <= 1)
        const next = runs[at + 1]
        if (next !== undefined) assert.ok(next.start > run.start && next.language !== run.language)
      }
      if (runs.length === 0) continue
      const languages = smoothed(all)
      for (const [at, { start }] of all.entries()) {
        const run = runAt(runs, start)
        if (languages[at] !== null) assert.equal(run?.language, languages[at])
      }
    }
  })
})

describe('speech between changes', () => {
  /** Speech of 4 s every 5 s. */
  const speech = Array.from({ length: 48 }, (_, i) => ({ start: i * 5, end: i * 5 + 4 }))
  const sample = (start: number, language: string, probability = 0.9): LanguageWindow => ({
    start,
    end: start + 14,
    seconds: 12,
    detected: { language, probability },
  })

  it('is that between two samples that differ, and nowhere else', () => {
    const samples = [sample(20, 'en'), sample(80, 'en'), sample(140, 'de'), sample(200, 'de')]
    const [place, ...others] = speechBetweenChanges(speech, samples)
    assert.deepEqual(others, [])
    assert.deepEqual([place?.[0]?.start, place?.at(-1)?.end], [80, 154])
    assert.equal(place?.length, 15)
  })

  it('is one place where a sample differs from both of its neighbours', () => {
    const samples = [sample(20, 'en'), sample(80, 'de'), sample(140, 'en'), sample(200, 'en')]
    const places = speechBetweenChanges(speech, samples)
    assert.deepEqual(
      places.map((spans) => [spans[0]?.start, spans.at(-1)?.end]),
      [[20, 154]],
    )
  })

  it('is none for a sample that is not certain', () => {
    const samples = [sample(20, 'en'), sample(80, 'cy', 0.5), sample(140, 'en')]
    assert.deepEqual(speechBetweenChanges(speech, samples), [])
  })

  it('has windows in place of its samples', () => {
    const samples = [sample(20, 'en'), sample(80, 'en'), sample(140, 'de')]
    const closer = [sample(78, 'en'), sample(95, 'de'), sample(139, 'de')]
    assert.deepEqual(replaced(samples, closer), [samples[0], ...closer])
  })
})

describe('the place where a language changes', () => {
  const place = (...rows: Row[]): number => changeAt(windows(...rows), 'en', 'de')

  it('is where the spans before are most probably in the first, and the others in the second', () => {
    assert.equal(place(['en', 0.9], ['en', 0.9], ['de', 0.9]), 2)
    assert.equal(place(['en', 0.9], ['de', 0.9], ['de', 0.9]), 1)
    assert.equal(place(['en', 0.9], ['de', 0.6], ['en', 0.9], ['de', 0.9]), 3)
  })

  it('is the longest pause where the spans are not certain', () => {
    assert.equal(place(['en', 0.9], ['la', 0.5, 2, 1], [null, 0, 2, 1.2], ['de', 0.9, 4, 0.4]), 2)
    assert.equal(place(['en', 0.9], ['en', 0.55, 2, 1], ['de', 0.9, 4, 0.4]), 1)
    assert.equal(place(['en', 0.9], ['en', 0.9, 2, 1], ['de', 0.9, 4, 0.4]), 2)
  })

  it('leaves each language a span', () => {
    assert.equal(place(['de', 1], ['de', 1], ['de', 1]), 1)
    assert.equal(place(['en', 1], ['en', 1], ['en', 1]), 2)
  })
})

describe('the languages of a recording', () => {
  it('are sorted by how much speech of all voices is in each', () => {
    const speech = [
      { start: 0, end: 10 },
      { start: 20, end: 60 },
    ]
    const runs = [
      { start: 0, language: 'en', probability: 0.9 },
      { start: 20, language: 'de', probability: 0.5 },
    ]
    const other = [{ start: 0, language: 'de', probability: 0.75 }]
    assert.deepEqual(
      spokenIn([
        { speech, languages: runs },
        { speech, languages: other },
      ]),
      [
        { language: 'de', probability: (40 * 0.5 + 50 * 0.75) / 90 },
        { language: 'en', probability: 0.9 },
      ],
    )
    assert.deepEqual(spokenIn([{ speech }]), [])
  })
})
