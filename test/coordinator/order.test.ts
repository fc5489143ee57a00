import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JobOrder, type OrderKey } from '../../coordinator/storage/order.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'

const key = (createdAt: number, jobId: string): OrderKey => ({ createdAt, jobId })

function orderOf(...keys: OrderKey[]): JobOrder {
  const order = new JobOrder()
  for (const one of keys) order.insert(one)
  return order
}

describe('the order of jobs', () => {
  test('is by creation, newest first, then by id', () => {
    const order = orderOf(key(2, 'b'), key(1, 'z'), key(3, 'a'), key(2, 'a'))
    assert.deepEqual([...order.newest()], ['a', 'b', 'a', 'z'])
    assert.deepEqual([...order.newest(key(3, 'a'))], ['b', 'a', 'z'])
    assert.deepEqual([...order.newest(key(2, 'b'))], ['a', 'z'])
  })

  test('is the same whether jobs come one by one or all at once', () => {
    const keys = [key(5, 'e'), key(1, 'a'), key(3, 'c')]
    const filled = new JobOrder()
    filled.fill(keys)
    assert.deepEqual([...filled.newest()], [...orderOf(...keys).newest()])
  })

  test('goes on from a job that is gone by now', () => {
    const order = orderOf(key(1, 'a'), key(3, 'c'))
    assert.deepEqual([...order.newest(key(2, 'b'))], ['a'])
    assert.deepEqual([...order.newest(key(0, ''))], [])
    assert.deepEqual([...order.newest(key(9, ''))], ['c', 'a'])
  })

  test('does not grow with jobs that are gone', () => {
    const order = new JobOrder()
    let inside = 0
    for (let n = 0; n < 1_000; n += 1) {
      order.insert(key(n, `job ${n}`))
      order.removed(() => false)
      inside = Math.max(inside, [...order.newest()].length)
    }
    assert.ok(inside <= 2, `${inside} ids of jobs that are gone`)
  })

  test('can be walked through while jobs go', () => {
    const order = new JobOrder()
    const alive = new Set<string>()
    for (let n = 0; n < 10; n += 1) {
      order.insert(key(n, `job ${n}`))
      alive.add(`job ${n}`)
    }
    const seen: string[] = []
    for (const jobId of order.newest()) {
      seen.push(jobId)
      // The oldest ones go, all at once, while somebody reads the newest.
      if (seen.length === 1) {
        for (let n = 0; n < 8; n += 1) {
          alive.delete(`job ${n}`)
          order.removed((id) => alive.has(id))
        }
      }
    }
    assert.deepEqual(
      seen.filter((id) => alive.has(id)),
      ['job 9', 'job 8'],
    )
  })

  for (let seed = 1; seed <= 5; seed += 1) {
    test(`is what sorting gives, over random comings and goings (seed ${seed})`, () => {
      const random = seededRandom(seed)
      const order = new JobOrder()
      const model = new Map<string, OrderKey>()
      for (let n = 0; n < 600; n += 1) {
        if (random() < 0.6 || model.size === 0) {
          const one = key(Math.floor(random() * 50), `job ${String(n).padStart(4, '0')}`)
          order.insert(one)
          model.set(one.jobId, one)
        } else {
          model.delete(pick(random, [...model.keys()]))
          order.removed((id) => model.has(id))
        }
        if (n % 20 !== 0 || model.size === 0) continue
        const sorted = [...model.values()]
          .toSorted((a, b) => b.createdAt - a.createdAt || (a.jobId < b.jobId ? 1 : -1))
          .map(({ jobId }) => jobId)
        const alive = (ids: Iterable<string>): string[] => [...ids].filter((id) => model.has(id))
        assert.deepEqual(alive(order.newest()), sorted)
        const from = pick(random, sorted)
        const rest = sorted.slice(sorted.indexOf(from) + 1)
        assert.deepEqual(alive(order.newest(model.get(from))), rest)
      }
    })
  }
})
