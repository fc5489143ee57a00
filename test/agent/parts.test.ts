import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { lengthOf, planParts, restore, speechInPiece, type Part } from '../../agent/audio/parts.ts'
import type { Span } from '../../shared/span.ts'
import { seededRandom } from '../shared/seeded-random.ts'

const random = seededRandom(7)

/** Speech of an hour or so: spans and pauses of any length, some of them touching. */
function someSpeech(count: number): { speech: Span[]; total: number } {
  const speech: Span[] = []
  let at = random() * 10
  for (let i = 0; i < count; i++) {
    const end = at + 0.25 + random() * 20
    speech.push({ start: at, end })
    at = end + (random() < 0.2 ? 0 : random() * (random() < 0.1 ? 120 : 3))
  }
  return { speech, total: at + random() * 5 }
}

function spanOf({ speech }: Part): Span {
  return { start: speech[0]!.start, end: speech.at(-1)!.end }
}

describe('what was recognised in a part', () => {
  it('has a time also where the engine lost it', () => {
    const span = { start: 10, end: 20 }
    const part = { audio: [span], speech: [span] }
    const word = { start: NaN, end: 3, text: 'two' }
    const restored = restore(part, [
      { start: 1, end: 2, text: 'one' },
      { start: NaN, end: 4, text: 'two', words: [word] },
      { start: 5, end: NaN, text: 'three' },
      { start: 6, end: 7, text: 'four' },
    ])
    assert.deepEqual(
      restored.map(({ start, end, text }) => [text, start, end]),
      [
        ['one', 11, 12],
        ['two', 12, 14],
        ['three', 15, 15],
        ['four', 16, 17],
      ],
    )
    assert.deepEqual(restored[1]?.words, [{ start: 12, end: 13, text: 'two' }])
  })
})

describe('parts', () => {
  it('hold all speech, once, in order, and none of them is much too long', () => {
    for (let round = 0; round < 200; round++) {
      const { speech, total } = someSpeech(1 + Math.floor(random() * 80))
      const parts = planParts(speech, 60, total)
      assert.deepEqual(
        parts.flatMap((part) => part.speech),
        speech,
      )
      let reached = 0
      for (const part of parts) {
        for (const { start, end } of part.audio) {
          assert.ok(start >= reached - 1e-9 && end > start && end <= total + 1e-9)
          reached = end
        }
        for (const span of part.speech) {
          const held = part.audio.some(
            ({ start, end }) => start <= span.start + 1e-9 && end >= span.end - 1e-9,
          )
          assert.ok(held, 'speech lies within what is cut out')
        }
        if (part.speech.length > 1) assert.ok(lengthOf(part) <= 62)
      }
    }
  })

  it('are the same when the work goes on after any set of them', () => {
    for (let round = 0; round < 50; round++) {
      const { speech, total } = someSpeech(120)
      const parts = planParts(speech, 60, total)
      const isDone = parts.map(() => random() < 0.5)
      const done = parts.filter((_, i) => isDone[i]).map(spanOf)
      assert.deepEqual(
        planParts(speech, 60, total, done),
        parts.filter((_, i) => !isDone[i]),
      )
    }
  })

  it('hold what is left when parts of another length are done', () => {
    for (let round = 0; round < 50; round++) {
      const { speech, total } = someSpeech(120)
      const done = planParts(speech, 25, total).filter(() => random() < 0.3)
      const left = speech.filter((span) => !done.some((part) => part.speech.includes(span)))
      assert.deepEqual(
        planParts(speech, 60, total, done.map(spanOf)).flatMap((part) => part.speech),
        left,
      )
    }
  })

  it('are cut at the longest pause that is in the right place', () => {
    const speech = [
      { start: 0, end: 20 },
      { start: 21, end: 40 },
      { start: 43, end: 50 },
      { start: 51, end: 70 },
    ]
    const parts = planParts(speech, 60, 70)
    assert.deepEqual(
      parts.map((part) => part.speech.length),
      [2, 2],
    )
  })

  it('begin at each border in any case, and nowhere else for that', () => {
    const { speech, total } = someSpeech(120)
    const borders = [speech[40]!.start, speech[41]!.start, speech[90]!.start - 0.01]
    const parts = planParts(speech, 60, total, [], borders)
    assert.deepEqual(
      parts.flatMap((part) => part.speech),
      speech,
    )
    const starts = parts.map((part) => part.speech[0]!.start)
    for (const at of [0, 40, 41, 90]) assert.ok(starts.includes(speech[at]!.start))
    const before = planParts(speech.slice(0, 40), 60, speech[39]!.end)
    assert.deepEqual(
      parts.slice(0, before.length).map((part) => part.speech),
      before.map((part) => part.speech),
    )
    for (const [i, part] of parts.entries()) {
      const done = [{ start: 0, end: spanOf(part).end }]
      assert.deepEqual(planParts(speech, 60, total, done, borders), parts.slice(i + 1))
    }
  })

  it('leave long silence out, and none that is short', () => {
    const speech = [
      { start: 10, end: 12 },
      { start: 15, end: 16 },
      { start: 100, end: 103 },
    ]
    const [part] = planParts(speech, 60, 200)
    assert.deepEqual(part?.audio, [
      { start: 9.5, end: 17 },
      { start: 99, end: 103.5 },
    ])
    assert.deepEqual(speechInPiece(part!), [
      { start: 0.5, end: 2.5 },
      { start: 5.5, end: 6.5 },
      { start: 8.5, end: 11.5 },
    ])
  })
})

describe('restored times', () => {
  const [part] = planParts(
    [
      { start: 10, end: 12 },
      { start: 100, end: 103 },
    ],
    60,
    200,
  )

  it('are those of the recording', () => {
    const restored = restore(part!, [
      { start: 0.5, end: 2.5, text: 'one' },
      { start: 4.5, end: 7.5, text: 'two' },
    ])
    assert.deepEqual(restored, [
      { start: 10, end: 12, text: 'one' },
      { start: 100, end: 103, text: 'two' },
    ])
  })

  it('cut a segment that goes over a joint, where its words say where', () => {
    const words = [
      { start: 0.6, end: 1, text: 'one' },
      { start: 1, end: 2.4, text: 'two' },
      { start: 4.6, end: 5, text: 'three' },
    ]
    const restored = restore(part!, [{ start: 0.5, end: 5, text: 'one two three', words }])
    assert.deepEqual(
      restored.map(({ text, start, end }) => ({ text, start, end })),
      [
        { text: 'one two', start: 10, end: 11.9 },
        { text: 'three', start: 100.1, end: 100.5 },
      ],
    )
  })

  it('are ascending and within the part, whatever the engine says', () => {
    for (let round = 0; round < 500; round++) {
      const { speech, total } = someSpeech(1 + Math.floor(random() * 20))
      const [one] = planParts(speech, 90, total)
      const segments = Array.from({ length: 12 }, () => {
        const start = random() * 150 - 10
        return { start, end: start + random() * 20 - 2, text: 'x' }
      })
      const restored = restore(one!, segments)
      assert.equal(restored.length, segments.length)
      let reached = one!.audio[0]!.start - 0.001
      for (const { start, end } of restored) {
        assert.ok(start >= reached && end >= start && end <= one!.audio.at(-1)!.end + 0.001)
        reached = end
      }
    }
  })
})
