import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { wordErrors } from '../../agent/wer.ts'

describe('wordErrors', () => {
  for (const [reference, hypothesis, errors, words] of [
    ['And so, my fellow Americans!', 'and so my fellow americans', 0, 5],
    ['Mr. Dashwood', 'mister dashwood', 0, 2],
    ['ask what you can do', 'ask what can do', 1, 5],
    ['ask what you can do', 'ask what you you can do', 1, 5],
    ['ask what you can do', 'ask what they can do', 1, 5],
    ['a b c', '', 3, 3],
    ['', 'a b', 2, 0],
    ['don’t', "'don't'", 0, 1],
    ['Grüße aus 3 Städten', 'grüße aus 3 städten', 0, 4],
    ['constructor', 'constructor', 0, 1],
  ] as const) {
    it(`of '${hypothesis}' against '${reference}' are ${errors} in ${words}`, () => {
      assert.deepEqual(wordErrors(reference, hypothesis), { errors, words })
    })
  }
})
