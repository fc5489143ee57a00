import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bare } from '../../shared/cut-segment.ts'
import { sentenceSegments, splitSentences } from '../../shared/sentence-segments.ts'
import type { Segment, Word } from '../../shared/transcript.ts'
import { SEED } from './kills.ts'
import { randomSegments } from './random-segments.ts'
import { seededRandom } from './seeded-random.ts'

/** Words of half a second each, from `start` on, as engines with word times give them. */
function timed(text: string, start = 0, probabilities: number[] = []): Segment {
  const words = text.split(' ').map((word, i): Word => ({
    start: start + i / 2,
    end: start + i / 2 + 0.4,
    text: word,
    ...(probabilities[i] === undefined ? {} : { probability: probabilities[i] }),
  }))
  return { start, end: words.at(-1)!.end, text, words }
}

const textsOf = (segments: readonly Segment[]): string[] => segments.map(({ text }) => text)
const timesOf = (segments: readonly Segment[]): [number, number][] =>
  segments.map(({ start, end }) => [start, end])

describe('a segment with several sentences', () => {
  test('is split at the times of its words', () => {
    const found = sentenceSegments([timed('It works. Does it? Yes', 10)])
    assert.deepEqual(textsOf(found), ['It works.', 'Does it?', 'Yes'])
    assert.deepEqual(timesOf(found), [
      [10, 10.9],
      [11, 11.9],
      [12, 12.4],
    ])
    assert.deepEqual(
      found.map(({ words }) => words?.map(({ text }) => text).join(' ')),
      ['It works.', 'Does it?', 'Yes'],
    )
  })

  test('without word times is split in proportion to its text', () => {
    const found = sentenceSegments([{ start: 0, end: 10, text: 'Aaaa aaaa. Bbb bbb.' }])
    assert.deepEqual(timesOf(found), [
      [0, 5.625],
      [5.625, 10],
    ])
  })

  test('without word times is split within speech, at a pause that is near', () => {
    const speech = [
      { start: 0, end: 4 },
      { start: 6, end: 10 },
      { start: 100, end: 110 },
    ]
    const speechOf = (): typeof speech => speech
    const found = sentenceSegments([{ start: 0, end: 10, text: 'Aaaa aaaa. Bbb bbb.' }], {
      speechOf,
    })
    assert.deepEqual(timesOf(found), [
      [0, 4],
      [6, 10],
    ])
  })

  test('whose words are not its text keeps them, by time', () => {
    const words = [
      { start: 0, end: 1, text: 'one' },
      { start: 8, end: 9, text: 'two' },
    ]
    const [first, last] = sentenceSegments([
      { start: 0, end: 10, text: 'Number 1. Number 2.', words },
    ])
    assert.deepEqual([first?.words, last?.words], [[words[0]], [words[1]]])
  })

  test('passes its speaker, language and flags on, and each sentence has its own confidence', () => {
    const more = { speaker: 'A', language: 'en', flags: ['repeats'], confidence: 0.5 }
    const [first, last] = sentenceSegments([
      { ...timed('It works. Yes.', 0, [1, 0.5, 0.2]), ...more },
    ])
    assert.deepEqual([first?.confidence, last?.confidence], [0.75, 0.2])
    for (const { speaker, language, flags } of [first!, last!])
      assert.deepEqual(
        { speaker, language, flags },
        { speaker: 'A', language: 'en', flags: ['repeats'] },
      )
  })

  test('in Chinese is split between its characters', () => {
    const words = Array.from('好吗？好。', (text, i) => ({ start: i, end: i + 1, text }))
    const found = sentenceSegments([{ start: 0, end: 5, text: '好吗？好。', words }])
    assert.deepEqual(textsOf(found), ['好吗？', '好。'])
    assert.deepEqual(timesOf(found), [
      [0, 3],
      [3, 5],
    ])
  })
})

describe('a sentence that an engine has cut', () => {
  const cut: [Segment, Segment] = [timed('We went to the'), timed('store. Then we left.', 3)]

  test('is joined, and the rest of the segment is another one', () => {
    const found = sentenceSegments(cut)
    assert.deepEqual(textsOf(found), ['We went to the store.', 'Then we left.'])
    assert.deepEqual(found[0]?.words?.length, 5)
    assert.deepEqual(timesOf(found)[0], [0, 3.4])
  })

  test('is joined without a space where its script has none', () => {
    const found = sentenceSegments([
      { start: 0, end: 1, text: '今天天气' },
      { start: 1, end: 2, text: '很好。' },
    ])
    assert.deepEqual(textsOf(found), ['今天天气很好。'])
  })

  test('over several segments is joined', () => {
    const found = sentenceSegments([timed('We'), timed('went', 1), timed('home.', 2)])
    assert.deepEqual(textsOf(found), ['We went home.'])
  })

  test('with an ellipsis goes on in lower case', () => {
    assert.deepEqual(textsOf(sentenceSegments([timed('We went...'), timed('home.', 2)])), [
      'We went... home.',
    ])
  })

  for (const [name, one, other] of [
    ['between two speakers', { speaker: 'A' }, { speaker: 'B' }],
    ['between two languages', { language: 'en' }, { language: 'de' }],
    ['where one part is doubtful', { flags: ['repeats'] }, {}],
    ['after a long pause', {}, timed('store.', 6)],
    ['after a pause of over two seconds', {}, timed('store.', 4)],
    ['where no end is found', {}, { text: 'store and', words: undefined }],
  ] as const) {
    test(`stays cut ${name}`, () => {
      const [first, last] = cut
      const parts = [
        { ...first, ...one },
        { ...last, text: 'store.', words: last.words!.slice(0, 1), ...other },
      ] as Segment[]
      assert.deepEqual(textsOf(sentenceSegments(parts)), textsOf(parts))
    })
  }

  for (const [parts, are] of [
    [6, 'are'],
    [7, 'are not'],
  ] as const) {
    test(`in ${parts} segments, which ${are} joined`, () => {
      const words = [...Array<string>(parts - 1).fill('and'), 'end.']
      const found = sentenceSegments(words.map((word, i) => timed(word, i)))
      assert.equal(found.length === 1, parts === 6)
      assert.equal(textsOf(found).join(' '), words.join(' '))
    })
  }

  test('of more than forty seconds stays cut', () => {
    const long = (end: number): Segment[] => [
      { start: 0, end: 20, text: 'We went to' },
      { start: 20, end, text: 'the store.' },
    ]
    assert.equal(sentenceSegments(long(40)).length, 1)
    assert.equal(sentenceSegments(long(40.1)).length, 2)
  })

  test('is not joined to a sentence that begins with a capital after a pause', () => {
    const texts = ['Chapter one', 'It was the best of times.']
    assert.deepEqual(textsOf(sentenceSegments([timed(texts[0]!), timed(texts[1]!, 3)])), texts)
  })

  for (const [name, texts, joined] of [
    ['a comma', ['My fellow citizens,', 'Ask not.'], 'My fellow citizens, Ask not.'],
    ['a comma of Japanese', ['市民の皆さん、', 'Ask not.'], '市民の皆さん、 Ask not.'],
  ] as const) {
    test(`is joined to what begins with a capital after ${name} and a pause`, () => {
      const first = timed(texts[0])
      const found = sentenceSegments([first, timed(texts[1], first.end + 1.5)])
      assert.deepEqual(textsOf(found), [joined])
    })
  }

  test('has the mean confidence of its parts, by their length, and their overlap', () => {
    const [found] = sentenceSegments([
      { start: 0, end: 1, text: 'aaa', confidence: 1, overlap: true },
      { start: 1, end: 2, text: 'b.', confidence: 0.5 },
    ])
    assert.equal(found?.confidence, 0.8)
    assert.equal(found?.overlap, true)
  })
})

/** What each speaker says, in order, without spaces: texts and words. */
function saidBy(segments: readonly Segment[]): Record<string, [text: string, words: string]> {
  const said: Record<string, [string, string]> = {}
  for (const { speaker = '', text, words = [] } of segments) {
    const own = (said[speaker] ??= ['', ''])
    own[0] += bare(text)
    own[1] += words.map((word) => `${word.text} `).join('')
  }
  return said
}

const TIMES = 100

describe('sentences of random segments', () => {
  test(`keep every word with its speaker, in order, within the file, from ${SEED}`, () => {
    for (let seed = SEED; seed < SEED + TIMES; seed++) {
      const { segments, speech, seconds } = randomSegments(seededRandom(seed))
      const speechOf = (): typeof speech => speech
      for (const found of [
        sentenceSegments(segments, { speechOf }),
        splitSentences(segments, { speechOf }),
      ]) {
        const about = `seed ${seed}`
        assert.deepEqual(saidBy(found), saidBy(segments), about)
        for (const [i, { start, end, text, words: own = [] }] of found.entries()) {
          assert.ok(text !== '' && text === text.trim(), about)
          assert.ok(start >= (found[i - 1]?.start ?? 0) && start <= end && end <= seconds, about)
          for (const [at, word] of own.entries()) {
            assert.ok(word.start >= start && word.end <= end && word.start <= word.end, about)
            assert.ok(word.start >= (own[at - 1]?.start ?? 0), about)
          }
        }
      }
    }
  })
})
