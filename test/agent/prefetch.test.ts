import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Capacity } from '../../agent/work/capacity.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { MARK } from './fake-server.ts'
import { converted, gate, scene, Watch, type SceneOptions } from './worker-scene.ts'

/** A worker with one slot and real turns for it. */
async function oneSlot(t: TestContext, options: SceneOptions = {}) {
  const watch = new Watch()
  const slots = new Slots([{ index: 0, gpu: null }])
  const { running, waiting, convert } = gate(watch, slots)
  const all = await scene(t, { slots: 1, prefetch: 1, watch, ...options }, convert)
  const { coordinator } = all
  /** The first job has the slot before there are others, which might be fetched sooner. */
  const add = async (first: string, ...others: string[]): Promise<void> => {
    coordinator.add(first)
    await watch.until(() => running.has(first))
    coordinator.add(...others)
  }
  return { ...all, running, waiting, add }
}

describe('while a job has the slot', () => {
  it('the next one is claimed for later, fetched, and waits for it', async (t) => {
    const { worker, coordinator, watch, running, waiting, add } = await oneSlot(t)
    const ran = worker.run()
    await add('j1', 'j2', 'j3')
    await watch.until(() => waiting.has('j2'))
    const stageOf = (jobId: string): unknown => {
      const jobs = coordinator.beats.at(-1)?.['jobs'] as { job_id: string; stage: string }[]
      return jobs.find(({ job_id: id }) => id === jobId)?.stage
    }
    await watch.until(() => stageOf('j1') === 'loading' && stageOf('j2') === 'waiting')
    assert.deepEqual(
      coordinator.claimBodies.map((body) => [body['max_jobs'], body['prefetch']]),
      [
        [1, false],
        [1, true],
      ],
    )
    running.get('j1')?.()
    await watch.until(() => running.has('j2') && waiting.has('j3'))
    worker.finish()
    running.get('j2')?.()
    await watch.until(() => running.has('j3'))
    running.get('j3')?.()
    await ran
  })

  it('what the next one waits for it does not count as its processing time', async (t) => {
    const { worker, coordinator, watch, running, waiting, outbox, add } = await oneSlot(t)
    const now = performance.now.bind(performance)
    let waited = 0
    t.mock.method(performance, 'now', () => now() + waited)
    const ran = worker.run()
    await add('j1', 'j2')
    await watch.until(() => waiting.has('j2'))
    waited = 3_600_000
    running.get('j1')?.()
    await watch.until(() => running.has('j2'))
    worker.finish()
    running.get('j2')?.()
    await ran
    await outbox.flush(10_000)
    const wasLong = new Map(
      coordinator.results.map((told) => [told['job_id'], Number(told['processing_time']) >= 3_600]),
    )
    assert.deepEqual([wasLong.get('j1'), wasLong.get('j2')], [true, false])
  })

  it('who waits for work for later asks anew when the slot is free', async (t) => {
    const { worker, coordinator, watch, running } = await oneSlot(t)
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => running.has('j1') && coordinator.held.length === 1)
    running.get('j1')?.()
    const last = () => coordinator.claimBodies.at(-1)
    await watch.until(() => last()?.['prefetch'] === false && coordinator.held.length === 1)
    worker.drain()
    await ran
  })
})

describe('an agent that is asked to leave', () => {
  it('gives back what waits for the slot, and finishes what has it', async (t) => {
    const { worker, coordinator, watch, running, waiting, outbox, add } = await oneSlot(t)
    const ran = worker.run()
    await add('j1', 'j2')
    await watch.until(() => waiting.has('j2'))
    worker.drain()
    await watch.until(() => coordinator.released.includes('j2'))
    running.get('j1')?.()
    await ran
    await outbox.flush(10_000)
    assert.deepEqual(coordinator.released, ['j2'])
    assert.deepEqual(
      coordinator.results.map((result) => result['job_id']),
      ['j1'],
    )
  })

  it('gives back at once what is still being fetched for later', async (t) => {
    const { worker, coordinator, watch, running, add } = await oneSlot(t)
    let fetching = false
    coordinator.before = ({ url }) => {
      // Its first bytes never come.
      if (!url.includes('/j2/download')) return false
      fetching = true
      return true
    }
    const ran = worker.run()
    await add('j1', 'j2')
    await watch.until(() => fetching)
    worker.drain()
    await watch.until(() => coordinator.released.includes('j2'))
    running.get('j1')?.()
    await ran
  })

  it('finishes what is still being fetched for a slot that is free', async (t) => {
    const { worker, coordinator, watch, running, outbox } = await oneSlot(t)
    let send: (() => void) | null = null
    coordinator.before = ({ url }, response) => {
      if (!url.includes('/download')) return false
      send = () => response.writeHead(200, { ...MARK, etag: '"1"' }).end('sound')
      return true
    }
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => send !== null)
    worker.drain()
    send!()
    await watch.until(() => running.has('j1'))
    running.get('j1')?.()
    await ran
    await outbox.flush(10_000)
    assert.deepEqual([coordinator.released, coordinator.results.length], [[], 1])
  })

  it('finishes also what waits when it has begun all that it may', async (t) => {
    const { worker, coordinator, watch, running, waiting, outbox, add } = await oneSlot(t, {
      most: 2,
    })
    const ran = worker.run()
    await add('j1', 'j2', 'j3')
    await watch.until(() => waiting.has('j2'))
    worker.finish()
    running.get('j1')?.()
    await watch.until(() => running.has('j2'))
    running.get('j2')?.()
    await ran
    await outbox.flush(10_000)
    assert.deepEqual([coordinator.released, coordinator.queue], [[], ['j3']])
    assert.equal(coordinator.results.length, 2)
  })

  it('does not wait for a coordinator that never answers its announcement', async (t) => {
    const { worker, coordinator, watch } = await scene(t)
    let announced = false
    coordinator.before = ({ url }) => (announced ||= url.endsWith('/heartbeat'))
    const ran = worker.run()
    await watch.until(() => announced)
    worker.drain()
    await ran
    assert.deepEqual(coordinator.claimBodies, [])
  })
})

describe('a claim', () => {
  it('asks for no more jobs than may begin', async (t) => {
    const { worker, coordinator } = await scene(t, { slots: 4, prefetch: 4, most: 3 })
    coordinator.add('j1', 'j2', 'j3', 'j4')
    await worker.run()
    assert.deepEqual(coordinator.claimBodies[0]?.['max_jobs'], 3)
    assert.deepEqual(coordinator.queue, ['j4'])
  })

  it('is not made while every slot pauses', async (t) => {
    const watch = new Watch()
    let slots = 0
    const capacity = new Capacity({ slots: () => slots, prefetch: 1 })
    const { worker, coordinator } = await scene(t, { capacity, watch })
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => coordinator.beats.length >= 3)
    assert.deepEqual(coordinator.claimBodies, [])
    slots = 1
    capacity.changed()
    await watch.until(() => coordinator.results.length === 1)
    worker.drain()
    await ran
  })

  it('that does not wait for work is not repeated at once', async (t) => {
    const { worker, coordinator, watch } = await scene(t, { waitSeconds: 0 })
    const ran = worker.run()
    await watch.until(() => coordinator.claimBodies.length === 1)
    const from = performance.now()
    await watch.until(() => coordinator.claimBodies.length === 2)
    assert.ok(performance.now() - from > 800)
    worker.drain()
    await ran
  })
})

describe('an attempt', () => {
  it('begins where the one before it stopped, and tells how far it comes', async (t) => {
    let given: unknown
    const { worker, coordinator, watch, outbox } = await scene(
      t,
      { most: 1 },
      async ({ checkpoint, onCheckpoint }) => {
        given = checkpoint
        onCheckpoint?.({ done_until: 20 })
        await watch.until(() => checkpoints().length > 0)
        return converted
      },
    )
    const checkpoints = (): unknown[] =>
      coordinator.beats
        .flatMap((beat) => beat['jobs'] as { checkpoint?: unknown }[])
        .flatMap((job) => (job.checkpoint === undefined ? [] : [job.checkpoint]))
    coordinator.checkpoint = { done_until: 10 }
    coordinator.add('j1')
    await worker.run()
    await outbox.flush(10_000)
    assert.deepEqual(given, { done_until: 10 })
    assert.deepEqual(checkpoints(), [{ done_until: 20 }])
  })
})
