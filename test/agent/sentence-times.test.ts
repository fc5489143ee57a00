import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { untimed } from '../../agent/engines/clip-segments.ts'
import { sentenceTimes } from '../../agent/engines/sentence-times.ts'

const span = (start: number, end: number) => ({ start, end })

describe('times of sentences', () => {
  it('are shares of the speech by characters, where there is no pause', () => {
    const [one, two] = sentenceTimes(['Four.', 'Seven more letters.'], [span(2, 13)])
    assert.equal(one!.start, 2)
    assert.equal(one!.end, two!.start)
    assert.ok(one!.end > 3.5 && one!.end < 4.5)
    assert.equal(two!.end, 13)
  })

  it('end in a pause that is near, rather at the end of a sentence than of a clause', () => {
    const text = ['When it rains, it pours over there.', 'And then it does not stop.']
    const speech = [span(1, 2.1), span(2.4, 4.3), span(5.1, 7.1)]
    assert.deepEqual(sentenceTimes(text, speech), [span(1, 4.3), span(5.1, 7.1)])
  })

  it('are all there, in order, with more sentences than pauses and more pauses than sentences', () => {
    const three = sentenceTimes(['One.', 'Two.', 'Three.'], [span(0, 1), span(1.5, 3)])
    assert.equal(three.length, 3)
    assert.ok(three[0]!.end <= three[1]!.start && three[1]!.end <= three[2]!.start)
    assert.equal(three[2]!.end, 3)
    const speech = Array.from({ length: 60 }, (_, i) => span(i, i + 0.7))
    assert.deepEqual(sentenceTimes(['One.'], speech), [span(0, 59.7)])
    assert.deepEqual(sentenceTimes([], speech), [])
  })
})

describe('times of a long text', () => {
  it('are looked for near each place: half an hour takes no minute', () => {
    const sentences = Array.from(
      { length: 400 },
      (_, i) => `This is the sentence number ${i}, and so on.`,
    )
    const speech = Array.from({ length: 400 }, (_, i) => span(i * 4.5, i * 4.5 + 4))
    const times = sentenceTimes(sentences, speech)
    assert.deepEqual(times, speech)
  })
})

describe('text without times', () => {
  it('is a segment per sentence', () => {
    const speech = [span(0.5, 2), span(3, 6)]
    const text = '\uFEFFMr. Dashwood had leisure. \n Then he considered how much there might be.'
    assert.deepEqual(untimed(text, { speech, durationSeconds: 7 }), [
      { ...span(0.5, 2), text: 'Mr. Dashwood had leisure.' },
      { ...span(3, 6), text: 'Then he considered how much there might be.' },
    ])
  })

  it('may be in a language without spaces, or say nothing', () => {
    const piece = { speech: [span(1, 3), span(4, 6)], durationSeconds: 7 }
    assert.deepEqual(
      untimed('今日は。明日は。', piece).map(({ start, end }) => [start, end]),
      [
        [1, 3],
        [4, 6],
      ],
    )
    assert.deepEqual(untimed(' \n', piece), [])
  })

  it('fills the piece where no speech was found', () => {
    assert.deepEqual(untimed('Yes.', { speech: [], durationSeconds: 7 }), [
      { ...span(0, 7), text: 'Yes.' },
    ])
  })
})
