import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Capacity } from '../../agent/work/capacity.ts'

const NEVER = new AbortController().signal

describe('capacity', () => {
  it('has room for as many jobs as there are slots, then for those to be got ready', () => {
    const capacity = new Capacity({ slots: () => 2, prefetch: 1 })
    assert.deepEqual(capacity.room(), { jobs: 2, prefetch: false })
    const first = capacity.begin()
    assert.deepEqual(capacity.room(), { jobs: 1, prefetch: false })
    capacity.begin()
    assert.deepEqual(capacity.room(), { jobs: 1, prefetch: true })
    capacity.begin()
    assert.equal(capacity.room(), null)
    capacity.end(first)
    assert.deepEqual(capacity.room(), { jobs: 1, prefetch: true })
  })

  it('has none while every slot pauses, and tells who waits when that changes', async () => {
    let slots = 0
    const capacity = new Capacity({ slots: () => slots, prefetch: 1 })
    assert.equal(capacity.room(), null)
    const room = capacity.whenRoom(NEVER)
    slots = 1
    capacity.changed()
    assert.deepEqual(await room, { jobs: 1, prefetch: false })
  })

  it('has none while it is held, and gives up a claim that waits', () => {
    let isHeld = false
    const capacity = new Capacity({ slots: () => 1, prefetch: 1, isHeld: () => isHeld })
    const waiting = capacity.watch(capacity.room()!)
    isHeld = true
    capacity.changed()
    assert.deepEqual([capacity.room(), waiting.signal.aborted], [null, true])
    isHeld = false
    assert.deepEqual(capacity.room(), { jobs: 1, prefetch: false })
  })

  it('asks for no more jobs than may begin', () => {
    const capacity = new Capacity({ slots: () => 4, prefetch: 4, left: () => 1 })
    assert.deepEqual(capacity.room(), { jobs: 1, prefetch: false })
    assert.equal(capacity.isSpent, false)
  })

  it('is spent when no job may begin any more', () => {
    const capacity = new Capacity({ slots: () => 4, prefetch: 4, left: () => 0 })
    assert.deepEqual([capacity.room(), capacity.isSpent], [null, true])
  })

  it('is no longer waited for when the signal is aborted', async () => {
    const capacity = new Capacity({ slots: () => 0, prefetch: 0 })
    const leave = new AbortController()
    const room = capacity.whenRoom(leave.signal)
    leave.abort()
    assert.equal(await room, null)
    assert.equal(await capacity.inTurn(leave.signal, async () => 'asked'), null)
  })

  it('tells who asked for one kind of room when there is another', () => {
    const capacity = new Capacity({ slots: () => 1, prefetch: 1 })
    const free = capacity.watch(capacity.room()!)
    const place = capacity.begin()
    assert.equal(free.signal.aborted, true)
    const later = capacity.watch(capacity.room()!)
    const full = capacity.watch(capacity.room()!)
    full.end()
    capacity.changed()
    assert.equal(later.signal.aborted, false)
    capacity.end(place)
    assert.deepEqual([later.signal.aborted, full.signal.aborted], [true, false])
  })

  it('knows which jobs have no slot to expect while others run', () => {
    const capacity = new Capacity({ slots: () => 2, prefetch: 2 })
    const [a, b, c, d] = [capacity.begin(), capacity.begin(), capacity.begin(), capacity.begin()]
    const surplus = (): boolean[] => [a, b, c, d].map((place) => capacity.isSurplus(place))
    assert.deepEqual(surplus(), [false, false, true, true])
    // The third was fetched first.
    c.stage = 'transcribing'
    assert.deepEqual(surplus(), [false, true, false, true])
    a.stage = 'loading'
    assert.deepEqual(surplus(), [false, true, false, true])
    c.stage = 'rendering'
    assert.deepEqual(surplus(), [false, false, false, true])
  })

  it('says when the first job begins and when the last one ends', () => {
    const said: boolean[] = []
    const capacity = new Capacity({
      slots: () => 2,
      prefetch: 0,
      onBusy: (busy) => said.push(busy),
    })
    for (const place of [capacity.begin(), capacity.begin()]) capacity.end(place)
    assert.deepEqual(said, [true, false])
  })

  it('gives each coordinator its turn in the order of asking, whatever comes of it', async () => {
    const capacity = new Capacity({ slots: () => 1, prefetch: 0, isShared: true })
    const order: string[] = []
    let open = (): void => undefined
    const first = capacity.inTurn(NEVER, async () => {
      await new Promise<void>((resolve) => (open = resolve))
      order.push('first')
    })
    const second = capacity.inTurn(NEVER, async () => {
      order.push('second')
      throw new Error('refused')
    })
    const third = capacity.inTurn(NEVER, async () => order.push('third'))
    await new Promise(setImmediate)
    open()
    await Promise.all([first, assert.rejects(second), third])
    assert.deepEqual(order, ['first', 'second', 'third'])
  })

  it('does not let one that does not answer hold up the next', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const capacity = new Capacity({ slots: () => 1, prefetch: 0, isShared: true })
    void capacity.inTurn(NEVER, () => new Promise(() => {}))
    await new Promise(setImmediate)
    let had = false
    const second = capacity.inTurn(NEVER, async () => (had = true))
    await new Promise(setImmediate)
    assert.equal(had, false)
    t.mock.timers.tick(2_000)
    await second
    assert.equal(had, true)
  })

  it('keeps the turn of one that waits for room, so that no other gets in before it', async () => {
    const capacity = new Capacity({ slots: () => 1, prefetch: 0, isShared: true })
    const order: string[] = []
    const place = capacity.begin()
    const first = capacity.inTurn(NEVER, async () => order.push('first'))
    const second = capacity.inTurn(NEVER, async () => order.push('second'))
    await new Promise(setImmediate)
    assert.deepEqual(order, [])
    capacity.end(place)
    await Promise.all([first, second])
    assert.deepEqual(order, ['first', 'second'])
  })
})
