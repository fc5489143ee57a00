import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clusterVoices, unitOf, type Embedding } from '../../agent/diarization/cluster-voices.ts'
import { nameSpeakers, type HeardPiece } from '../../agent/diarization/name-speakers.ts'
import { piecesOf } from '../../agent/diarization/voice-pieces.ts'
import type { Turn } from '../../agent/diarization/turns.ts'
import type { Span } from '../../shared/span.ts'
import { seededRandom } from '../shared/seeded-random.ts'

const OPEN = { min: 1, max: 20 }

/** Voices of so many people, as embeddings have them: other people are nearly at right angles. */
class People {
  readonly #random
  readonly #voices: Embedding[]

  constructor(count: number, seed = 1) {
    this.#random = seededRandom(seed)
    this.#voices = Array.from({ length: count }, () => unitOf(this.#vector(1)))
  }

  #vector(size: number): Float32Array {
    return Float32Array.from({ length: 64 }, () => (this.#random() - 0.5) * size)
  }

  /** @param noise 0: the same each time. */
  heard(person: number, noise: number): Embedding {
    const spoilt = unitOf(this.#vector(1)).map((value) => value * noise)
    return unitOf(this.#voices[person]!.map((value, i) => value + spoilt[i]!))
  }
}

/** One after another says so many pieces of a second; one segmentation window takes all of its speakers for one. */
function conversation(said: readonly [person: number, pieces: number][], noise = 0.8, seed = 1) {
  const people = new People(Math.max(...said.map(([person]) => person)) + 1, seed)
  const pieces: HeardPiece[] = []
  const truth: number[] = []
  for (const [person, count] of said) {
    for (let i = 0; i < count; i++) {
      const start = pieces.length
      const heard = { start, end: start + 1 }
      const speaker = `window ${Math.floor(start / 5)}`
      pieces.push({ ...heard, speaker, heard, embedding: people.heard(person, noise) })
      truth.push(person)
    }
  }
  return { pieces, truth }
}

/** The name at each second. */
function namesOf(turns: readonly Turn[], seconds: number): (string | undefined)[] {
  return Array.from(
    { length: seconds },
    (_, i) => turns.find(({ start, end }) => start < i + 0.5 && i + 0.5 < end)?.speaker,
  )
}

/** Whether two lists tell the same things apart. */
function alike(names: readonly unknown[], truth: readonly unknown[]): boolean {
  const pairs = new Set(names.map((name, i) => `${String(name)}=${String(truth[i])}`))
  return pairs.size === new Set(names).size && pairs.size === new Set(truth).size
}

const TALK: [number, number][] = [
  [0, 7],
  [1, 3],
  [2, 6],
  [0, 2],
  [1, 8],
  [2, 4],
]

describe('speakers by their voices', () => {
  it('are told apart in quiet and in noise, and where a window takes them for one', () => {
    for (let seed = 1; seed <= 10; seed++) {
      for (const noise of [0.2, 0.6, 0.9]) {
        const { pieces, truth } = conversation(TALK, noise, seed)
        const names = namesOf(nameSpeakers(pieces, [], OPEN), truth.length)
        assert.ok(alike(names, truth), `seed ${seed}, noise ${noise}: ${names.join('')}`)
      }
    }
  })

  it('are one where one speaks, however long', () => {
    const { pieces } = conversation([[0, 200]])
    assert.deepEqual(nameSpeakers(pieces, [], OPEN), [{ start: 0, end: 200, speaker: '0' }])
  })

  it('are found in ten hours, too, where each piece that is clustered stands for several', () => {
    const people = new People(2)
    const voices = Array.from({ length: 28_750 }, (_, i) => ({
      embedding: people.heard(i % 360 === 0 ? 1 : 0, 0.2),
      seconds: 1.5,
    }))
    assert.equal(clusterVoices(voices, { likeness: 0.5, ...OPEN }).length, 2)
  })

  it('are as many as are asked for, as far as there are people', () => {
    const { pieces, truth } = conversation(TALK)
    const count = (min: number, max: number): number =>
      new Set(nameSpeakers(pieces, [], { min, max }).map(({ speaker }) => speaker)).size
    assert.deepEqual([count(2, 2), count(1, 2), count(1, 1)], [2, 2, 1])
    assert.deepEqual([count(3, 3), count(2, 5)], [3, 3])
    assert.ok(count(4, 4) === 4 && count(50, 50) <= truth.length)
  })

  it('do not become more by a cough, which is whose it is most like', () => {
    const { pieces } = conversation([
      [0, 60],
      [1, 1],
      [0, 60],
    ])
    assert.deepEqual(nameSpeakers(pieces, [], OPEN), [{ start: 0, end: 121, speaker: '0' }])
  })

  it('are both in what they say at once, by what each says alone beside it', () => {
    const { pieces } = conversation(TALK)
    const [before, after] = [pieces[6]!, pieces[7]!]
    const both = { start: 6.8, end: 7.2 }
    const overlaps = [
      { ...both, speaker: 'first' },
      { ...both, speaker: 'second' },
      { ...both, speaker: 'never alone' },
    ]
    const own = pieces.map((piece) =>
      piece === before
        ? { ...piece, speaker: 'first' }
        : piece === after
          ? { ...piece, speaker: 'second' }
          : piece,
    )
    const turns = nameSpeakers(own, overlaps, OPEN)
    const [first, second] = namesOf(turns, 8).slice(6)
    const at = (time: number): string[] =>
      turns.filter(({ start, end }) => start < time && time < end).map(({ speaker }) => speaker)
    assert.deepEqual(at(7.1).toSorted(), [first!, second!].toSorted())
    assert.deepEqual(at(7.3), [second!])
  })

  it('are nobody where no voice was heard', () => {
    assert.deepEqual(nameSpeakers([], [], OPEN), [])
    const unheard = conversation(TALK).pieces.map((piece) => ({ ...piece, embedding: null }))
    assert.deepEqual(nameSpeakers(unheard, [], OPEN), [])
  })
})

describe('the pieces of turns', () => {
  it('cover what each says alone in the middle, and take the voice from no more than a second and a half', () => {
    const random = seededRandom(7)
    const middle = { start: 2.5, end: 7.5 }
    for (let i = 0; i < 40; i++) {
      const turns = ['a', 'b', 'c'].map((speaker) => {
        const start = random() * 8
        return { start, end: start + 0.01 + random() * 6, speaker }
      })
      const pieces = piecesOf(
        turns.toSorted((a, b) => a.start - b.start),
        middle,
      )
      for (let at = 0.005; at < 14; at += 0.01) {
        const within = (one: Span): boolean => one.start <= at && at < one.end
        const now = turns.filter(within)
        const expected = now.length === 1 && within(middle) ? [now[0]!.speaker] : []
        assert.deepEqual(
          pieces.filter(within).map(({ speaker }) => speaker),
          expected,
        )
      }
      for (const { start, end, heard } of pieces) {
        assert.ok(heard.end - heard.start <= 1.5 + 1e-9 && heard.start <= end && heard.end >= start)
      }
    }
  })

  it('take the voice of a turn that goes on beyond the middle from there, too', () => {
    const [piece] = piecesOf([{ start: 7, end: 9, speaker: 'a' }], { start: 2.5, end: 7.5 })
    assert.deepEqual(piece, { start: 7, end: 7.5, speaker: 'a', heard: { start: 7, end: 8.5 } })
  })
})
