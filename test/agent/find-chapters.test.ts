import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findChapters } from '../../agent/transcript/find-chapters.ts'
import { pk, windowDiff } from '../../scripts/bench/chapters/error.ts'
import type { Segment } from '../../shared/transcript.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'

const COMMON = 'and then there was also very much that people would often say about this'.split(' ')
const TOPICS = {
  sailing: 'Kattegat harbour sail rudder wind mast anchor boats deck waves'.split(' '),
  baking: 'flour oven dough yeast bread butter crust sugar Anna knead'.split(' '),
  chess: 'bishop opening castle Kasparov pawn gambit knight queen endgame board'.split(' '),
  gardens: 'roses soil compost Linnaeus seeds spade watering hedge weeds pruning'.split(' '),
}
const SIGNS = ['天气公园花草春风', '银行股票利率市场', '足球比赛球队冠军']
const SECONDS = 5

/** Sentences of a topic, five seconds each. */
function said(topics: readonly (readonly string[])[], each: number, glue = ' '): Segment[] {
  const random = seededRandom(5)
  return topics.flatMap((words, topic) =>
    Array.from({ length: each }, (_, i): Segment => {
      const start = (topic * each + i) * SECONDS
      const from = (): string =>
        glue === '' || random() < 0.4 ? pick(random, words) : pick(random, COMMON)
      return { start, end: start + 4, text: `${Array.from({ length: 9 }, from).join(glue)}.` }
    }),
  )
}

function found(segments: Segment[]) {
  return findChapters({ segments, durationSeconds: segments.length * SECONDS })
}

describe('findChapters', () => {
  test('finds where each topic begins, and names it by its own words', () => {
    const chapters = found(said(Object.values(TOPICS), 30))
    assert.deepEqual(
      chapters.map(({ startSeconds }) => startSeconds),
      [0, 150, 300, 450],
    )
    assert.deepEqual(
      chapters.map(({ endSeconds }) => endSeconds),
      [150, 300, 450, 600],
    )
    for (const [i, words] of Object.values(TOPICS).entries()) {
      const own = words.map((word) => word.toLowerCase())
      const title = chapters[i]!.title.split(', ')
      assert.equal(title.length, 3)
      assert.ok(
        title.every((word) => own.includes(word.toLowerCase())),
        chapters[i]!.title,
      )
    }
    assert.ok(chapters.some(({ title }) => /Kattegat|Anna|Kasparov|Linnaeus/.test(title)))
  })

  test('names no topic by the half of a contraction, nor by a frequent word that others have, too', () => {
    const [sailing, baking, chess] = Object.values(TOPICS)
    const often = Array<string>(4).fill('while')
    const topics = [
      [...sailing!, ...Array<string>(8).fill("shouldn't"), ...often],
      [...baking!, ...often],
      chess!,
    ]
    for (const { title } of found(said(topics, 30))) assert.doesNotMatch(title, /shouldn|while/i)
  })

  test('finds topics in a script without spaces', () => {
    const words = SIGNS.map((signs) => signs.match(/../g)!)
    const starts = found(said(words, 30, '')).map(({ startSeconds }) => startSeconds)
    assert.deepEqual(starts, [0, 150, 300])
  })

  test('finds none in one topic, in a short recording, and in silence', () => {
    assert.deepEqual(found(said([TOPICS.chess], 60)), [])
    assert.deepEqual(found(said(Object.values(TOPICS), 4)), [])
    assert.deepEqual(found([]), [])
  })

  test('makes no chapter shorter than a twentieth of the recording', () => {
    const turns = Array.from({ length: 60 }, (_, i) => Object.values(TOPICS)[i % 4]!)
    for (const { startSeconds, endSeconds } of found(said(turns, 3)))
      assert.ok(endSeconds - startSeconds >= 45)
  })
})

test('the errors of a division are 0 for the true one, and more the more it differs', () => {
  const borders = [0, 20, 40]
  for (const error of [pk, windowDiff]) {
    assert.equal(error(borders, borders, 60), 0)
    assert.ok(error(borders, [0, 21, 40], 60) < error(borders, [0, 30, 50], 60))
  }
  assert.equal(pk(borders, [0, 19, 20, 40], 60), pk(borders, borders, 60) + 1 / 50)
})
