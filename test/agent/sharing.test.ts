import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Capacity } from '../../agent/work/capacity.ts'
import { gate, scene, Watch, type SceneOptions } from './worker-scene.ts'

/** Two coordinators that share one slot. */
async function twoCoordinators(t: TestContext, options: SceneOptions = {}) {
  const watch = new Watch()
  const capacity = new Capacity({ slots: () => 1, prefetch: 0, isShared: true })
  const { running, convert } = gate(watch)
  const shared = { ...options, capacity, watch }
  const a = await scene(t, shared, convert)
  const b = await scene(t, shared, convert)
  const run = async (): Promise<void> => {
    await Promise.all([a.worker.run(), b.worker.run()])
  }
  return { a, b, running, capacity, watch, run }
}

/** Lets one job after the other go, until so many have run; in the order in which they ran. */
async function orderOf(
  running: Map<string, () => void>,
  watch: Watch,
  count: number,
): Promise<string[]> {
  const order: string[] = []
  while (order.length < count) {
    await watch.until(() => running.size > 0)
    assert.equal(running.size, 1)
    const [[name, finish]] = [...running] as [[string, () => void]]
    running.delete(name)
    order.push(name)
    finish()
  }
  return order
}

describe('two coordinators', () => {
  it('that both have work get the slot in turn', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t, { exitWhenIdle: true })
    a.coordinator.add('a1', 'a2', 'a3', 'a4')
    b.coordinator.add('b1', 'b2', 'b3', 'b4')
    const ran = run()
    const order = await orderOf(running, watch, 8)
    await ran
    // From the second on, when both have been heard of.
    const letters = order.slice(1).map((name) => name[0])
    for (let n = 1; n < 6; n += 1) assert.notEqual(letters[n], letters[n - 1], order.join())
  })

  it('do not end the one’s work while the other has the slot', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t, { exitWhenIdle: true })
    a.coordinator.add('a1')
    b.coordinator.add('b1', 'b2')
    const ran = run()
    const order = await orderOf(running, watch, 3)
    await ran
    assert.deepEqual(order.toSorted(), ['a1', 'b1', 'b2'])
  })

  it('of which one has no work leave the slot to the other', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t)
    b.coordinator.add('b1', 'b2', 'b3')
    const ran = run()
    assert.deepEqual(await orderOf(running, watch, 3), ['b1', 'b2', 'b3'])
    a.worker.drain()
    b.worker.drain()
    await ran
  })

  it('never fill a slot twice: what comes too late is given back', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t)
    const ran = run()
    const waits = (one: typeof a): boolean => one.coordinator.held.length === 1
    await watch.until(() => waits(a) && waits(b))
    // Its answer is on the way, and does not come before the other's.
    const id = b.coordinator.held[0]!.seen['claim_id']
    b.coordinator.queue.push('b1')
    b.coordinator.lose(String(id))
    a.coordinator.add('a1')
    await watch.until(() => b.coordinator.released.length === 1 && running.size > 0)
    assert.deepEqual([...running.keys()], ['a1'])
    a.worker.drain()
    b.worker.drain()
    running.get('a1')?.()
    await ran
  })

  it('of which one never answers still get all that the other has', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t)
    // It may begin, and then no claim comes back.
    a.coordinator.before = ({ url }) => url.endsWith('/claim')
    b.coordinator.add('b1', 'b2', 'b3')
    const ran = run()
    assert.deepEqual(await orderOf(running, watch, 3), ['b1', 'b2', 'b3'])
    a.worker.drain()
    b.worker.drain()
    await ran
  })

  it('of which one tells the agent to stop leave it to the other', async (t) => {
    const { a, b, running, watch, run } = await twoCoordinators(t)
    a.coordinator.directive = 'stop'
    await watch.until(() => a.worker.state === 'draining')
    a.coordinator.add('a1')
    b.coordinator.add('b1')
    const ran = run()
    assert.deepEqual(await orderOf(running, watch, 1), ['b1'])
    assert.deepEqual([a.worker.state, a.coordinator.queue], ['draining', ['a1']])
    b.worker.drain()
    await ran
  })
})
