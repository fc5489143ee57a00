import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { overSlots } from '../../agent/gpu/over-slots.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import type { Pipeline } from '../../agent/work/pipeline.ts'
import { converted, scene, Watch } from './worker-scene.ts'

/** Jobs of three parts each, which last until the test ends them: `running.get('j1.0')`. */
function inParts(watch: Watch, slots: Slots) {
  const running = new Map<string, () => void>()
  const waiting = new Set<string>()
  const convert: Pipeline['convert'] = async ({ jobId, filename, signal, report }) => {
    const { name } = path.parse(filename)
    report({ stage: 'waiting', ratio: 0.15 })
    waiting.add(name)
    watch.changed()
    await overSlots(slots, {
      jobId,
      signal,
      async begin() {
        report({ stage: 'transcribing', ratio: 0.16 })
        return [0, 1, 2].map((part) => `${name}.${part}`)
      },
      async run(part, _slot, stopped) {
        await new Promise<void>((resolve, reject) => {
          running.set(part, resolve)
          stopped.addEventListener('abort', () => reject(stopped.reason as Error))
          watch.changed()
        }).finally(() => running.delete(part))
      },
    })
    return converted
  }
  return { running, waiting, convert }
}

describe('an agent whose one job uses both slots', () => {
  it('claims as many jobs as otherwise, and the next one gets a slot at the end of a part', async (t) => {
    const watch = new Watch()
    const slots = new Slots([0, 1].map((index) => ({ index, gpu: null })))
    const { running, waiting, convert } = inParts(watch, slots)
    const { worker, coordinator } = await scene(t, { slots: 2, prefetch: 1, watch }, convert)
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => running.has('j1.0') && running.has('j1.1'))
    coordinator.add('j2', 'j3', 'j4')
    await watch.until(() => waiting.has('j2') && waiting.has('j3'))
    assert.deepEqual(
      coordinator.claimBodies.map((body) => [body['max_jobs'], body['prefetch']]),
      [
        [2, false],
        [1, false],
        [1, true],
      ],
    )
    assert.deepEqual([...running.keys()], ['j1.0', 'j1.1'])
    running.get('j1.1')!()
    await watch.until(() => running.has('j2.0'))
    assert.deepEqual([...running.keys()], ['j1.0', 'j2.0'])
    // Both have a slot: the one that waits for later is given back, and they are finished.
    worker.drain()
    await watch.until(() => coordinator.released.includes('j3'))
    for (const part of ['j1.0', 'j1.2', 'j2.0', 'j2.1', 'j2.2']) {
      await watch.until(() => running.has(part))
      running.get(part)!()
    }
    await ran
    assert.equal(slots.free, 2)
    assert.deepEqual(coordinator.queue, ['j4'])
  })

  it('keeps a job that waits for one of them when it is drained', async (t) => {
    const watch = new Watch()
    const slots = new Slots([0, 1].map((index) => ({ index, gpu: null })))
    const { running, waiting, convert } = inParts(watch, slots)
    const { worker, coordinator } = await scene(t, { slots: 2, watch }, convert)
    coordinator.add('j1')
    const ran = worker.run()
    await watch.until(() => running.has('j1.0') && running.has('j1.1'))
    coordinator.add('j2')
    await watch.until(() => waiting.has('j2'))
    worker.drain()
    running.get('j1.0')!()
    for (const part of ['j2.0', 'j2.1', 'j2.2', 'j1.1', 'j1.2']) {
      await watch.until(() => running.has(part))
      running.get(part)!()
    }
    await ran
    assert.deepEqual(coordinator.released, [])
  })
})
