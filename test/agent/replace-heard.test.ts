import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { replaceHeard } from '../../agent/quality/replace-heard.ts'
import { bare, isTextOf } from '../../shared/cut-segment.ts'
import type { Segment, Word } from '../../shared/transcript.ts'
import { readVocabulary } from '../../shared/vocabulary.ts'
import { randomSegments } from '../shared/random-segments.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'

const VOCABULARY = readVocabulary([
  'Ashwood',
  { term: 'Dashwood', heard_as: ['dash wood', 'ashwood', 'Nashwood'] },
  { term: 'Qdrant', heard_as: ['cube rent', 'Q-brand'] },
  { term: 'node.js', heard_as: ['note.js', 'node chess'] },
  { term: 'kubectl', heard_as: ['cube cuddle'] },
  { term: 'Apple', heard_as: ['apple'] },
  { term: 'New York', heard_as: ['newark'] },
  { term: '東京', heard_as: ['東狂', '京都'] },
  { term: 'Иван Петров', heard_as: ['иванпетров'] },
])

function textAfter(text: string): string {
  return replaceHeard([{ start: 0, end: 1, text }], VOCABULARY).segments[0]!.text
}

function spoken(...words: [text: string, start: number, end: number][]): Segment {
  return {
    start: words[0]![1],
    end: words.at(-1)![2],
    text: words.map(([text]) => text).join(' '),
    words: words.map(([text, start, end]): Word => ({ start, end, text, probability: 0.5 })),
  }
}

describe('what a term is often heard as', () => {
  for (const [what, heard, written] of [
    ['is replaced', 'Mr. John dash wood had', 'Mr. John Dashwood had'],
    ['whatever its case, and with punctuation', '"Dash Wood," he said', '"Dashwood," he said'],
    ['joined by a hyphen, or in the genitive', 'dash-wood’s house', 'Dashwood’s house'],
    ['as whole words only', 'a dash woodland, undash wood', 'a dash woodland, undash wood'],
    ['not across a mark', 'a dash. Wood is', 'a dash. Wood is'],
    ['with its own marks', 'in note.js, note. js', 'in node.js, note. js'],
    ['in the case of a beginning', 'Cube cuddle works, cube cuddle', 'Kubectl works, kubectl'],
    ['in capitals where all are', 'I SAW THE CUBE RENT', 'I SAW THE QDRANT'],
    ['in another case', 'an apple a day', 'an Apple a day'],
    ['unless it is a term before', 'Ashwood and Nashwood', 'Ashwood and Dashwood'],
    ['by several words', 'to Newark.', 'to New York.'],
    ['in Japanese', '東狂に行った', '東京に行った'],
    ['not inside of a Japanese word', '東京都に行った', '東京都に行った'],
    ['in Cyrillic', 'Это Иванпетров.', 'Это Иван Петров.'],
    ['twice in a row', 'cube rent, Q brand', 'Qdrant, Qdrant'],
  ] as const) {
    test(`${what}: ${heard}`, () => assert.equal(textAfter(heard), written))
  }

  test('is listed with its place, and the raw text is kept', () => {
    const heard = spoken(
      ['Use', 1, 1.2],
      ['Cube', 1.5, 1.8],
      ['rent,', 1.8, 2.4],
      ['please.', 3, 4],
    )
    const { segments, replacements } = replaceHeard([heard], VOCABULARY)
    assert.deepEqual(replacements, [{ segment: 0, start: 1.5, from: 'Cube rent', to: 'Qdrant' }])
    assert.equal(segments[0]!.raw_text, 'Use Cube rent, please.')
    assert.deepEqual(segments[0]!.words?.[1], {
      start: 1.5,
      end: 2.4,
      text: 'Qdrant,',
      probability: 0.5,
    })
  })

  test('that becomes more words shares its time among them', () => {
    const { segments } = replaceHeard([spoken(['(Newark)', 1, 2])], VOCABULARY)
    assert.deepEqual(
      segments[0]!.words!.map(({ text, start, end }) => [text, start, end]),
      [
        ['(New', 1, 1.444],
        ['York)', 1.444, 2],
      ],
    )
  })

  test('is kept where nothing is known of it', () => {
    const segments = [spoken(['Dash', 0, 1], ['wood', 1, 2])]
    assert.equal(replaceHeard(segments, []).segments[0], segments[0])
    assert.deepEqual(replaceHeard(segments, readVocabulary(['Dashwood'])).replacements, [])
  })
})

test('of any segments, words keep their order and their times, and the list makes the text from the raw one', () => {
  const vocabulary = readVocabulary([
    { term: 'Store House', heard_as: ['the store', 'store'] },
    { term: 'Doctor', heard_as: ['dr', 'no'] },
    { term: 'x', heard_as: ['3. 5', 'we we', 'naive', 'naïve'] },
    { term: '天候', heard_as: ['天気', '公园'] },
    { term: 'J.K.', heard_as: ['J. K.', 'then and', '元気'] },
  ])
  const seed = Number(process.env['SEED'] ?? 7)
  const random = seededRandom(seed)
  let changed = 0
  for (let round = 0; round < 150; round++) {
    const { segments } = randomSegments(random)
    const terms = vocabulary.filter(() => random() < 0.8)
    const after = replaceHeard(segments, terms)
    const where = `seed ${seed}, round ${round}`
    assert.equal(after.segments.length, segments.length, where)
    for (const [i, one] of after.segments.entries()) {
      const before = segments[i]!
      const own = after.replacements.filter(({ segment }) => segment === i)
      changed += own.length
      let [rebuilt, left] = ['', before.text]
      for (const { from, to, start } of own) {
        const at = left.indexOf(from)
        assert.ok(at >= 0 && start >= before.start && start <= before.end, where)
        rebuilt += left.slice(0, at)
        // The same words may stand before, within others: the next place is tried.
        rebuilt += to
        left = left.slice(at + from.length)
      }
      if (own.length === 0) assert.equal(one, before, where)
      else assert.equal(one.raw_text, before.text, where)
      assert.equal(bare(rebuilt + left).length, bare(one.text).length, where)
      assert.equal(isTextOf(one), isTextOf(before), where)
      assert.deepEqual(
        [one.start, one.end, one.speaker],
        [before.start, before.end, before.speaker],
      )
      for (const [at, word] of (one.words ?? []).entries()) {
        const last = one.words![at - 1]
        assert.ok(word.start <= word.end && (last === undefined || last.end <= word.start), where)
        assert.ok(word.start >= before.start && word.end <= before.end && word.text !== '', where)
      }
    }
  }
  assert.ok(changed > 100, `${changed} replacements`)
  assert.ok(pick(random, [true]))
})
