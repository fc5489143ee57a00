import assert from 'node:assert/strict'
import { test } from 'node:test'
import { languageCode } from '../../shared/languages.ts'

for (const [written, code] of [
  ['de', 'de'],
  [' DE ', 'de'],
  ['de-AT', 'de'],
  ['de_AT', 'de'],
  ['ger', 'de'],
  ['deu', 'de'],
  ['German', 'de'],
  ['english', 'en'],
  ['iw', 'he'],
  ['haw', 'haw'],
  ['auto', null],
  ['klingonisch', null],
  ['', null],
  ['not a language', null],
  [null, null],
] as const)
  test(`${JSON.stringify(written)} is ${code ?? 'no language'}`, () => {
    assert.equal(languageCode(written), code)
  })
