import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { ModelNeed } from '../../agent/gpu/next-request.ts'
import { Slots, type Slot } from '../../agent/gpu/slots.ts'

const signal = new AbortController().signal

interface Job extends ModelNeed {
  name: string
}

/** Slots on a clock that only moves while a job has one. */
function scene(count = 1) {
  let now = 1_000
  const order: string[] = []
  const cpu = Array.from({ length: count }, (_, index): Slot => ({ index, gpu: null }))
  const slots = new Slots(cpu, { elapsed: () => now })
  const run = async (job: Job, seconds: number): Promise<void> => {
    const slot = await slots.acquire(signal, job)
    order.push(job.name)
    now += seconds * 1_000
    await turn()
    slots.release(slot)
  }
  return { slots, order, run }
}

/** `a0`, `b1`, `a2`, …: of the models a and b in turns. */
function alternating(count: number): Job[] {
  return Array.from({ length: count }, (_, n) => {
    const model = n % 2 === 0 ? 'a' : 'b'
    return { name: `${model}${n}`, model }
  })
}

function switchesIn(order: readonly string[]): number {
  return order.filter((name, n) => n === 0 || name[0] !== order[n - 1]![0]).length
}

describe('jobs of several models that wait for a slot', () => {
  it('run model by model: twenty short ones of two in turns take two loads', async () => {
    const { order, run } = scene()
    await Promise.all(alternating(20).map((job) => run(job, 1)))
    assert.equal(switchesIn(order), 2)
    assert.equal(new Set(order).size, 20)
  })

  it('change the model after 30 seconds, for the one that has waited longest', async () => {
    const { order, run } = scene()
    await Promise.all(alternating(10).map((job) => run(job, 12)))
    assert.deepEqual(order, ['a0', 'a2', 'a4', 'b1', 'b3', 'b5', 'a6', 'a8', 'b7', 'b9'])
  })

  it('do not wait for ever while others with the loaded model arrive', async () => {
    const { order, run } = scene()
    let arrived = 0
    const stream = async (): Promise<void> => {
      const running = run({ name: `a${arrived++}`, model: 'a' }, 5)
      // The next one is there before this one ends.
      await turn()
      if (arrived < 30) await stream()
      await running
    }
    await Promise.all([stream(), run({ name: 'b', model: 'b' }, 5)])
    const waitedFor = order.indexOf('b')
    assert.ok(waitedFor > 1 && waitedFor <= 6, order.join())
  })

  it('keep their order where each needs a job of 30 seconds or more', async () => {
    const { order, run } = scene()
    await Promise.all(alternating(6).map((job) => run(job, 40)))
    assert.deepEqual(order, ['a0', 'b1', 'a2', 'b3', 'a4', 'b5'])
  })

  it('take jobs that need no model in their order', async () => {
    const { order, run } = scene()
    const jobs: Job[] = [
      { name: 'a0', model: 'a' },
      { name: 'b1', model: 'b' },
      { name: 'file2' },
      { name: 'a3', model: 'a' },
    ]
    await Promise.all(jobs.map((job) => run(job, 1)))
    assert.deepEqual(order, ['a0', 'file2', 'a3', 'b1'])
  })

  it('get the free slot that has their model, of slots that are equally busy', async () => {
    const { slots } = scene(2)
    const [first, second] = [
      await slots.acquire(signal, { model: 'a' }),
      await slots.acquire(signal, { model: 'b' }),
    ]
    slots.release(first)
    slots.release(second)
    const again = await slots.acquire(signal, { model: 'b' })
    assert.equal(again.index, second.index)
    assert.equal((await slots.acquire(signal, { model: null })).index, first.index)
  })
})
