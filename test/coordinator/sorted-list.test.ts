import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SortedList } from '../../coordinator/job/sorted-list.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'

const numbers = (): SortedList<number> => new SortedList((a, b) => a - b)

function listOf(...values: number[]): SortedList<number> {
  const list = numbers()
  for (const value of values) list.insert(value)
  return list
}

describe('a sorted list', () => {
  test('has its values in order, both ways', () => {
    const list = listOf(5, 1, 3)
    assert.deepEqual([...list], [1, 3, 5])
    assert.deepEqual([...list.backwards()], [5, 3, 1])
    assert.equal(list.first, 1)
    assert.equal(numbers().first, undefined)
  })

  test('is read backwards from a value, whether it is there or not', () => {
    const list = listOf(1, 3, 5)
    assert.deepEqual([...list.backwards(5)], [3, 1])
    assert.deepEqual([...list.backwards(4)], [3, 1])
    assert.deepEqual([...list.backwards(9)], [5, 3, 1])
    assert.deepEqual([...list.backwards(1)], [])
    assert.deepEqual([...numbers().backwards(1)], [])
  })

  test('says whether a value was there to be removed', () => {
    const list = listOf(1, 3)
    assert.equal(list.delete(2), false)
    assert.equal(list.delete(3), true)
    assert.equal(list.delete(3), false)
    assert.deepEqual([...list], [1])
    assert.equal(list.size, 1)
  })

  for (let seed = 1; seed <= 3; seed += 1) {
    test(`is what sorting gives, over random comings and goings in many blocks (seed ${seed})`, () => {
      const random = seededRandom(seed)
      const list = new SortedList<number>(
        (a, b) => a - b,
        (value) => value % 7,
      )
      const model = new Set<number>()
      for (let n = 0; n < 6_000; n += 1) {
        const value = Math.floor(random() * 10_000)
        // It grows to thousands, and falls to none.
        if (random() < (n < 4_000 ? 0.8 : 0.1)) {
          if (!model.has(value)) list.insert(value)
          model.add(value)
        } else {
          const gone = model.size === 0 || random() < 0.1 ? value : pick(random, [...model])
          assert.equal(list.delete(gone), model.delete(gone))
        }
        if (n % 500 !== 0) continue
        const sorted = [...model].toSorted((a, b) => a - b)
        assert.deepEqual([...list], sorted)
        const smaller = sorted.filter((one) => one < value)
        assert.deepEqual([...list.backwards(value)], smaller.toReversed())
        assert.deepEqual(list.before(value), {
          count: smaller.length,
          weight: smaller.reduce((sum, one) => sum + (one % 7), 0),
        })
      }
      assert.equal(list.size, model.size)
    })
  }
})
