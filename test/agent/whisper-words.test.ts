import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { wordsFromTokens } from '../../agent/engines/whisper/words.ts'

const tokens = (...texts: string[]) =>
  texts.map((text, i) => ({ text, start: i * 0.5, end: i * 0.5 + 0.4 }))
const said = (texts: string[], text: string) =>
  wordsFromTokens(tokens(...texts), { start: 0, end: 60, text })?.map((word) => word.text)

describe('words from tokens', () => {
  it('joins the pieces of a word, and punctuation to the word before it', () => {
    assert.deepEqual(
      said([' Pru', 'dent', 'ly', ',', ' he', ' said', '.'], 'Prudently, he said.'),
      ['Prudently,', 'he', 'said.'],
    )
    assert.deepEqual(said([' "', 'Yes', '"', ' -', ' no'], '"Yes" - no'), ['"Yes" -', 'no'])
    assert.deepEqual(said([' …', ' so'], '… so'), ['… so'])
  })

  it('gives a joined word the time from its first to its last piece', () => {
    const words = wordsFromTokens(tokens(' a', ' b', 'c'), { start: 0, end: 60, text: 'a bc' })
    assert.deepEqual(words, [
      { start: 0, end: 0.4, text: 'a' },
      { start: 0.5, end: 1.4, text: 'bc' },
    ])
  })

  it('gives a joined word the mean of what its pieces are worth, as far as all are known', () => {
    const probabilities = [1, 0.5, 0.02, 0.7, undefined, 0]
    const pieces = tokens(' a', ' b', 'c', ' d', 'e', ' f').map((token, i) => ({
      ...token,
      probability: probabilities[i],
    }))
    const words = wordsFromTokens(pieces, { start: 0, end: 60, text: 'a bc de f' })
    assert.deepEqual(
      words?.map(({ probability }) => probability),
      [1, 0.1, undefined, 0],
    )
  })

  it('leaves out what was not said', () => {
    assert.deepEqual(said(['[_BEG_]', ' Yes', '[_TT_50]', '<|endoftext|>'], 'Yes'), ['Yes'])
  })

  it('keeps times in order and inside the segment', () => {
    const wild = [
      { text: ' a', start: -1, end: 3 },
      { text: ' b', start: 2, end: 2.5 },
      { text: ' c', start: 9, end: 12 },
    ]
    assert.deepEqual(wordsFromTokens(wild, { start: 1, end: 10, text: 'a b c' }), [
      { start: 1, end: 3, text: 'a' },
      { start: 3, end: 3, text: 'b' },
      { start: 9, end: 10, text: 'c' },
    ])
  })

  it('takes each letter for a word where words are not spaced', () => {
    assert.deepEqual(said(['你', '好', '，', '世界'], '你好，世界'), ['你', '好，', '世界'])
  })

  it('gives no words when a letter lies across two tokens and is lost', () => {
    assert.equal(said([' M\ufffd', '\ufffdller'], 'Müller'), undefined)
  })
})
