import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Span } from '../../shared/span.ts'
import { chunkLimits, Chunker, type Chunk } from '../../agent/engines/sherpa/chunks.ts'

/** Ten samples a second make the limits easy to read: gap 12, length 240, pad 2. */
const RATE = 10
const limits = chunkLimits({ mergeGap: 1.2, maxLength: 24, pad: 0.15 }, RATE)

function chunksOf(spans: [number, number][], total: number): Chunk[] {
  const chunker = new Chunker(limits)
  const chunks: (Chunk | null)[] = spans.map(([start, end]) => chunker.push({ start, end }))
  return [...chunks, chunker.flush(total)].filter((chunk) => chunk !== null)
}

const speech = (spans: [number, number][], total = 10_000): [number, number][] =>
  chunksOf(spans, total).map(({ speech: { start, end } }) => [start, end])

describe('Chunker', () => {
  it('joins speech that is at most 1.2 s apart', () => {
    assert.deepEqual(
      speech([
        [10, 20],
        [32, 40],
      ]),
      [[10, 40]],
    )
    assert.deepEqual(
      speech([
        [10, 20],
        [33, 40],
      ]),
      [
        [10, 20],
        [33, 40],
      ],
    )
  })

  it('joins up to 24 s and no further', () => {
    assert.deepEqual(
      speech([
        [0, 200],
        [205, 240],
      ]),
      [[0, 240]],
    )
    assert.deepEqual(
      speech([
        [0, 200],
        [205, 241],
      ]),
      [
        [0, 200],
        [205, 241],
      ],
    )
  })

  it('hands on a span that is too long by itself', () => {
    assert.deepEqual(
      speech([
        [0, 500],
        [501, 520],
      ]),
      [
        [0, 500],
        [501, 520],
      ],
    )
  })

  it('keeps speech together that was cut only for want of a pause', () => {
    const chunker = new Chunker(limits)
    assert.equal(chunker.push({ start: 5, end: 300 }), null)
    assert.equal(chunker.push({ start: 300, end: 600 }, true), null)
    assert.equal(chunker.push({ start: 600, end: 650 }, true), null)
    assert.deepEqual(chunker.push({ start: 655, end: 700 })?.speech, { start: 5, end: 650 })
    assert.deepEqual(chunker.flush(700)?.speech, { start: 655, end: 700 })
  })

  it('gives out a chunk as soon as the next span cannot join it', () => {
    const chunker = new Chunker(limits)
    assert.equal(chunker.push({ start: 0, end: 10 }), null)
    assert.deepEqual(chunker.push({ start: 50, end: 60 })?.speech, { start: 0, end: 10 })
    assert.deepEqual(chunker.flush(100)?.speech, { start: 50, end: 60 })
    assert.equal(chunker.flush(100), null)
  })

  it('adds a little on both sides, but not beyond the recording', () => {
    const audio = chunksOf(
      [
        [1, 20],
        [50, 99],
      ],
      100,
    ).map((chunk) => chunk.audio)
    assert.deepEqual(audio, [
      { start: 0, end: 22 },
      { start: 48, end: 100 },
    ])
  })

  it('parts the pause between neighbours in its middle', () => {
    const audio = chunksOf(
      [
        [0, 200],
        [202, 300],
      ],
      1000,
    ).map((chunk) => chunk.audio)
    assert.deepEqual(audio, [
      { start: 0, end: 201 },
      { start: 201, end: 302 },
    ])
  })

  it('cuts speech that ends after the recording, as a padded last window does', () => {
    assert.deepEqual(speech([[90, 103]], 100), [[90, 100]])
    assert.deepEqual(speech([[100, 103]], 100), [])
  })

  it('keeps what overlaps apart', () => {
    assert.deepEqual(
      speech([
        [0, 235],
        [230, 400],
        [300, 390],
      ]),
      [
        [0, 235],
        [235, 400],
      ],
    )
  })

  it('never runs backwards and never overlaps, whatever comes', () => {
    let seed = 7
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return seed % below
    }
    for (let round = 0; round < 200; round++) {
      const spans: [number, number][] = []
      let at = 0
      for (let i = 0; i < 30; i++) {
        const start = at + random(20) - 2
        const end = start + random(300)
        spans.push([Math.max(0, start), end])
        at = end
      }
      const total = at - random(5)
      let before: Span = { start: 0, end: 0 }
      let said = 0
      for (const chunk of chunksOf(spans, total)) {
        assert.ok(chunk.audio.start >= before.end && chunk.audio.end <= total)
        assert.ok(chunk.speech.start >= chunk.audio.start && chunk.speech.end <= chunk.audio.end)
        assert.ok(chunk.speech.start >= said && chunk.speech.end > chunk.speech.start)
        said = chunk.speech.end
        before = chunk.audio
      }
    }
  })
})
