import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import {
  mergeVocabularies,
  parseVocabulary,
  readVocabulary,
  readVocabularyFile,
} from '../../shared/vocabulary.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from './temp-folder.ts'

const TERMS = [
  { term: 'Qdrant', heard_as: ['cube rent', 'Q brand'] },
  { term: 'Dashwood', heard_as: [] },
]

function coded(code: string, sentence: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof AppError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, sentence)
    return true
  }
}

describe('a vocabulary', () => {
  test('is a list of texts, and of terms with what they are heard as', () => {
    const read = readVocabulary([TERMS[0], '  Dashwood\n', { term: 'Ō', heard_as: undefined }])
    assert.deepEqual(read, [...TERMS, { term: 'Ō', heard_as: [] }])
  })

  test('in a file has a term on each line, or is JSON', () => {
    const lines = '\uFEFF# names\nQdrant = cube rent,  Q brand,\r\n\n Dashwood \n'
    assert.deepEqual(parseVocabulary(lines), TERMS)
    assert.deepEqual(parseVocabulary(JSON.stringify(TERMS)), TERMS)
    assert.deepEqual(parseVocabulary(''), [])
  })

  for (const [what, given, sentence] of [
    ['no list', 'Dashwood', /is a list of terms, like/],
    ['a term without letters', ['a', '–'], /term 2 is not a text of up to 100/],
    ['a long term', ['x'.repeat(101)], /term 1 is not/],
    ['an unknown key', [{ term: 'a', heard: ['b'] }], /term 1 is not/],
    ['too much that it is heard as', [{ term: 'a', heard_as: Array(21).fill('b') }], /up to 20/],
    ['too many terms', Array(1_001).fill('a'), /has 1001 terms: up to 1000/],
    ['too many characters', Array(600).fill('x'.repeat(99)), /59400 characters: up to 50000/],
  ] as const) {
    test(`is refused for ${what}, with the fix`, () => {
      assert.throws(() => readVocabulary(given), coded('invalid', sentence))
    })
  }

  test('that a coordinator has merged may be twice as long', () => {
    assert.equal(readVocabulary(Array(1_001).fill('a'), { lists: 2 }).length, 1_001)
  })

  test('that cannot be read is named with its file', () => {
    const file = path.join(tempFolder(), 'names.txt')
    assert.throws(
      () => readVocabularyFile(file, '--vocabulary'),
      coded('usage', /names.txt.*ENOENT/),
    )
    writeFileSync(file, 'Dashwood\n= dash wood\n')
    assert.throws(() => readVocabularyFile(file, '--vocabulary'), coded('usage', /term 2 is not/))
  })

  test('merged with others has each term once', () => {
    const merged = mergeVocabularies(
      readVocabulary(['Dashwood', { term: 'Qdrant', heard_as: ['a', 'b'] }]),
      readVocabulary([{ term: 'Qdrant', heard_as: ['b', 'c'] }, 'x']),
    )
    assert.deepEqual(
      merged.map(({ term, heard_as: heard }) => `${term}: ${heard.join(' ')}`),
      ['Dashwood: ', 'Qdrant: a b c', 'x: '],
    )
  })
})
