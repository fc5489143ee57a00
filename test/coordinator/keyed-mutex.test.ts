import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyedMutex } from '../../coordinator/keyed-mutex.ts'

test('a turn begins when the one before it of the same key has ended', async () => {
  const mutex = new KeyedMutex()
  const endFirst = await mutex.turn('a')
  let hasBegun = false
  const second = mutex.turn('a').then((end) => {
    hasBegun = true
    end()
  })
  const endOther = await mutex.turn('b')
  endOther()
  assert.equal(hasBegun, false)
  endFirst()
  await second
})
