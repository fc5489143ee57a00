import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Load } from '../../agent/engines/openai-api/load.ts'

const { signal } = new AbortController()

describe('requests at a server', () => {
  it('are as many as allowed, and the next waits for one to leave', async () => {
    const load = new Load(2)
    const first = await load.enter(signal)
    await load.enter(signal)
    let isIn = false
    const third = load.enter(signal).then((turn) => {
      isIn = true
      return turn
    })
    await new Promise((done) => setImmediate(done))
    assert.equal(isIn, false)
    first.leave()
    await third
    assert.equal(isIn, true)
  })

  it('are fewer after a refusal, down to one, and more again while the server answers', () => {
    const load = new Load(5)
    const limits = [4, 3, 2].map(() => {
      load.refused()
      return load.limit
    })
    assert.deepEqual(limits, [2, 1, 1])
    for (let answers = 0; answers < 11; answers++) load.served()
    assert.equal(load.limit, 2)
    for (let answers = 0; answers < 100; answers++) load.served()
    assert.equal(load.limit, 5)
  })

  it('know whether they were alone all the time', async () => {
    const load = new Load(2)
    const first = await load.enter(signal)
    assert.equal(first.isAlone, true)
    const second = await load.enter(signal)
    assert.deepEqual([first.isAlone, second.isAlone], [false, false])
    first.leave()
    second.leave()
    assert.equal((await load.enter(signal)).isAlone, true)
  })

  it('wait no longer than they are wanted', async () => {
    const load = new Load(1)
    const stop = new AbortController()
    const reason = new Error('cancelled')
    const turn = await load.enter(signal)
    const waiting = load.enter(stop.signal)
    stop.abort(reason)
    await assert.rejects(waiting, reason)
    turn.leave()
    await load.enter(signal)
  })
})
