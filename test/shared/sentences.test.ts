import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { endsSentence, sentencesIn } from '../../shared/sentences.ts'

/** Sentences, and their language where it matters. */
const TEXTS: [name: string, sentences: string[], language?: string][] = [
  ['periods, questions and exclamations', ['It works.', 'Does it?', 'It does!', 'Well']],
  ['titles', ['Mr. Smith met Dr. Jones.', 'Mrs. Smith left.', 'St. Paul stood.']],
  ['initials', ['George W. Bush and J. K. Rowling met.', 'Take vitamin C.', 'So do I.', 'Good.']],
  ['decimals', ['It cost 3.5 dollars.', 'The version is 2.1.3.', 'Fine.']],
  [
    'numbers after an abbreviation',
    ['See No. 5 of vol. 2.', 'I said no.', 'Then I left on Jan. 3.'],
  ],
  ['acronyms', ['He lives in the U.S. Senate district.', 'She is in the U.S.', 'The end.']],
  ['times of day', ['We meet at 5 p.m.', 'Bring wine.']],
  ['addresses', ['Go to example.com and mail to a.b@example.org.', 'Thanks.']],
  ['ellipses', ['Well… maybe not.', 'I thought ... never mind.', 'No...', 'Then yes…', 'Fine.']],
  [
    'quotations',
    ['"Really?" he asked.', 'He said "No."', 'She left.', '(It rained.)', 'They ran.'],
  ],
  ['text in lower case alone', ['hello there.', 'how are you?', 'fine.']],
  ['German', ['Am 3. Mai, z. B. um 9 Uhr, kam Hr. Maier.', 'Usw.', 'Er ist d.h. bleibt.'], 'de'],
  ['French', ['M. Dupont est là.', 'Mme. Martin aussi !', 'Bon.'], 'fr'],
  ['Spanish', ['¿Qué tal, Sr. Ruiz?', '¡Bien!', 'Gracias.'], 'es'],
  ['Greek', ['Τι κάνεις;', 'Καλά.'], 'el'],
  ['Hindi', ['यह क्या है।', 'हाँ।'], 'hi'],
  ['Arabic', ['كيف حالك؟', 'بخير.'], 'ar'],
]

describe('the sentences of a text', () => {
  for (const [name, sentences, language] of TEXTS) {
    test(`with ${name}`, () => {
      assert.deepEqual(sentencesIn(sentences.join(' '), language ?? null), sentences)
    })
  }

  for (const [name, sentences, language] of [
    ['Chinese', ['今天天气很好。', '我们去公园吧！', '好吗？'], 'zh'],
    ['Japanese', ['「はい。」と言った。', '元気ですか？', 'はい'], 'ja'],
  ] as const) {
    test(`in ${name}, which has no spaces`, () => {
      assert.deepEqual(sentencesIn(sentences.join(''), language), sentences)
    })
  }

  test('are the same in a long text, whose sentences are looked for piece by piece', () => {
    const many = TEXTS.slice(1, 10).flatMap(([, sentences]) => sentences)
    const all = Array.from({ length: 40 }, () => [...many, 'So it went on.']).flat()
    assert.deepEqual(sentencesIn(all.join(' ')), all)
    const without = 'on and on '.repeat(1_000).trim()
    assert.deepEqual(sentencesIn(`${without}. Yes.`), [`${without}.`, 'Yes.'])
  })

  test('are one where each mark is an abbreviation, or none ends it, however long', () => {
    for (const text of [
      `${'A. '.repeat(9_000)}Smith.`,
      `a.${'"'.repeat(50_000)} b`,
      'x'.repeat(50_000),
    ])
      assert.deepEqual(sentencesIn(text), [text])
  })

  test('are the whole where there is no mark', () => {
    assert.deepEqual(sentencesIn('and so it goes on and on', 'en'), ['and so it goes on and on'])
    assert.deepEqual(sentencesIn('หิวข้าว ครับ ไปกิน', 'th'), ['หิวข้าว ครับ ไปกิน'])
    assert.deepEqual(sentencesIn('  ', 'en'), [])
  })

  test('of an unknown language are found as well', () => {
    assert.deepEqual(sentencesIn('One. Two.', 'x'), ['One.', 'Two.'])
  })
})

describe('a text ends with its sentence', () => {
  for (const [text, next, ends] of [
    ['It works.', 'Then', true],
    ['It works.', '', true],
    ['It works', 'Then', false],
    ['It works,', '', false],
    ['I met Mr.', 'Smith.', false],
    ['I went to the store.', 'and bought milk.', false],
    ['I thought...', 'never mind.', false],
    ['I thought...', 'Never mind.', true],
    ['hello there.', 'how are you.', true],
    ['好吗？', '好。', true],
    ['He said "no."', 'She left.', true],
  ] as const) {
    test(`${JSON.stringify(text)} before ${JSON.stringify(next)}: ${ends}`, () => {
      assert.equal(endsSentence(text, next, 'en'), ends)
    })
  }
})
