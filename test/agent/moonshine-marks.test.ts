import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withMarks } from '../../agent/engines/moonshine/marks.ts'
import { wordErrors } from '../../agent/wer.ts'
import { SEED } from '../shared/kills.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'

const ASKED =
  'and so my fellow american ask not what your country can do for you ask what you can do for it'
const MARKED =
  'And so, my fellow American, ask not what your country can do for you. Ask what you can do for it.'

describe('a text without punctuation', () => {
  for (const [what, readings, wanted] of [
    ['has that of another reading of the same words', [MARKED], MARKED],
    ['has that of the first reading that has some', [ASKED, MARKED, ASKED], MARKED],
    [
      'keeps its words where a reading has another one',
      [MARKED.replace('American,', 'Americans,')],
      MARKED.replace('American,', 'american'),
    ],
    [
      'keeps a word that a reading leaves out, and gains none that it adds',
      [MARKED.replace('so, my', 'my').replace('can do for it.', 'can really do for it.')],
      MARKED.replace('so, my', 'so my'),
    ],
    ['stays where a reading has other words', ['It was. Not what you think, is it?'], ASKED],
    ['stays where no reading has any', [ASKED, ASKED], ASKED],
  ] as const) {
    test(what, () => assert.equal(withMarks(ASKED, readings), wanted))
  }

  test('keeps every word in its order, whatever the reading', () => {
    const random = seededRandom(SEED)
    const words = 'we ask mr john not your own it’s what 3.5'.split(' ')
    for (let round = 0; round < 300; round++) {
      const said = Array.from({ length: 20 }, () => pick(random, words))
      const read = said.flatMap((word) => {
        const other = random() < 0.03 ? pick(random, words) : word
        const written = random() < 0.3 ? other.toUpperCase() : other
        const marked = written + pick(random, ['', '', '.', ',', '?'])
        return random() < 0.02 ? [] : random() < 0.02 ? [marked, 'then'] : [marked]
      })
      const text = said.join(' ')
      const found = withMarks(text, [read.join(' ')])
      assert.equal(wordErrors(text, found).errors, 0, `seed ${SEED}: ${text} | ${read.join(' ')}`)
    }
  })
})

test('no other reading is asked for where a text has punctuation, or a few words', () => {
  const never = {
    [Symbol.iterator]: (): Iterator<string> => {
      throw new Error('asked')
    },
  }
  for (const text of [
    'And so, my fellow Americans ask not',
    'Yes we can',
    MARKED,
    '',
    'Ask me. He said that he',
  ])
    assert.equal(withMarks(text, never), text)
})
