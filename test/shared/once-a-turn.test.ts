import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OnceATurn } from '../../shared/once-a-turn.ts'

test('it looks once in a turn of the event loop, and again in the next', async () => {
  let looks = 0
  const once = new OnceATurn(() => (looks += 1))
  assert.deepEqual([once.get(), once.get()], [1, 1])
  await Promise.resolve()
  assert.equal(once.get(), 1)
  await nextTurn()
  assert.deepEqual([once.get(), once.get()], [2, 2])
})

test('it looks again after a change of its own, and after a failure', () => {
  let looks = 0
  const once = new OnceATurn(() => {
    looks += 1
    if (looks === 2) throw new Error('for now')
    return looks
  })
  assert.equal(once.get(), 1)
  once.forget()
  assert.throws(() => once.get(), /for now/)
  assert.equal(once.get(), 3)
})
