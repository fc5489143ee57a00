import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches } from '../../coordinator/storage/batches.ts'
import { AppError } from '../../shared/errors.ts'
import { gate } from './gate.ts'

test('what comes while a batch is at work goes with the next', async () => {
  const seen: number[][] = []
  const first = gate()
  const batches = new Batches<number, number>(
    async (items) => {
      seen.push([...items])
      if (seen.length === 1) await first.opened
      return items.map((item) => item * 2)
    },
    { most: 3 },
  )
  const one = batches.add(1)
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const others = [2, 3, 4, 5].map(async (item) => await batches.add(item))
  first.open()
  assert.deepEqual(await Promise.all([one, ...others]), [2, 4, 6, 8, 10])
  assert.deepEqual(seen, [[1], [2, 3, 4], [5]])
})

test('an item that a batch fails on fails alone, and an expected error is that of all', async () => {
  let expected: AppError | null = null
  const batches = new Batches<number, number>(
    async (items) => {
      if (expected !== null) throw expected
      if (items.includes(2)) throw new Error('two')
      return items
    },
    { most: 9 },
  )
  const outcomes = async (): Promise<unknown[]> =>
    (await Promise.allSettled([1, 2, 3].map(async (item) => await batches.add(item)))).map((one) =>
      one.status === 'fulfilled' ? one.value : (one.reason as Error).message,
    )
  assert.deepEqual(await outcomes(), [1, 'two', 3])
  expected = new AppError('unavailable', 'gone')
  assert.deepEqual(await outcomes(), ['gone', 'gone', 'gone'])
})
