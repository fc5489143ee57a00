import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Device } from '../../agent/gpu/device.ts'
import { planSlots } from '../../agent/gpu/slot-plan.ts'
import { slotEnv, Slots, type Slot } from '../../agent/gpu/slots.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'

const signal = new AbortController().signal

function gpu(index: number, change: Partial<Device> = {}): Device {
  return {
    kind: 'cuda',
    index,
    uuid: `GPU-${index}aaaaaaa-0000`,
    name: 'NVIDIA L4',
    memoryMb: 23034,
    freeMb: 22574,
    driver: '550.54.15',
    ...change,
  }
}

function cpuSlots(count: number): Slot[] {
  return planSlots({ gpus: 'none', slotsPerGpu: 1, cpuSlots: count, devices: [] })
}

describe('slotEnv', () => {
  it('shows one GPU, counted in the order of the bus', () => {
    assert.deepEqual(slotEnv({ index: 3, gpu: '1' }), {
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      CUDA_VISIBLE_DEVICES: '1',
    })
  })

  it('hides every GPU from a slot on the CPU', () => {
    assert.deepEqual(slotEnv({ index: 0, gpu: null }), {
      CUDA_VISIBLE_DEVICES: '',
      HIP_VISIBLE_DEVICES: '',
      ROCR_VISIBLE_DEVICES: '',
    })
  })

  it('shows one GPU of AMD, which is then the first for whatever is built on it', () => {
    assert.deepEqual(slotEnv({ index: 0, gpu: '2', kind: 'rocm' }), {
      ROCR_VISIBLE_DEVICES: '2',
      HIP_VISIBLE_DEVICES: '0',
      CUDA_VISIBLE_DEVICES: '0',
    })
  })

  it('says nothing of an Apple chip', () => {
    assert.deepEqual(slotEnv({ index: 0, gpu: '0', kind: 'metal' }), {})
  })
})

describe('planSlots', () => {
  const devices = [gpu(0), gpu(1)]
  const plan = { slotsPerGpu: 1, cpuSlots: 2, devices }

  it('gives each GPU its slots in turn', () => {
    assert.deepEqual(
      planSlots({ ...plan, gpus: 'all', slotsPerGpu: 2 }).map((slot) => [slot.index, slot.gpu]),
      [
        [0, '0'],
        [1, '1'],
        [2, '0'],
        [3, '1'],
      ],
    )
  })

  it('uses the CPU when no GPU is there or wanted', () => {
    const onCpu = [
      { index: 0, gpu: null },
      { index: 1, gpu: null },
    ]
    assert.deepEqual(planSlots({ ...plan, gpus: 'none' }), onCpu)
    assert.deepEqual(planSlots({ ...plan, gpus: 'all', devices: [] }), onCpu)
  })

  it('knows a GPU by its number, its kind and number, its UUID and the beginning of that', () => {
    for (const name of ['1', 'cuda:1', 'GPU-1aaaaaaa-0000', 'gpu-1aaa']) {
      assert.deepEqual(planSlots({ ...plan, gpus: [name] }), [{ index: 0, gpu: '1', kind: 'cuda' }])
    }
  })

  it('takes a GPU that is named twice once', () => {
    assert.equal(planSlots({ ...plan, gpus: ['0', 'cuda:0', '1'] }).length, 2)
  })

  it('names the parts of a GPU by their UUIDs', () => {
    const parts = [gpu(0, { uuid: 'MIG-one' }), gpu(0, { uuid: 'MIG-two' }), gpu(1)]
    const on = (gpus: 'all' | string[]): (string | null)[] =>
      planSlots({ ...plan, gpus, devices: parts }).map((slot) => slot.gpu)
    assert.deepEqual(on('all'), ['MIG-one', 'MIG-two', '1'])
    assert.deepEqual(on(['MIG-two']), ['MIG-two'])
    assert.deepEqual(on(['0']), ['MIG-one', 'MIG-two'])
  })

  it('leaves out the graphics of a processor unless they are named', () => {
    const amd = [
      gpu(0, { kind: 'rocm', uuid: null, memoryMb: 16368 }),
      gpu(1, { kind: 'rocm', uuid: null, memoryMb: 64 }),
    ]
    const on = (gpus: 'all' | string[]): Slot[] => planSlots({ ...plan, gpus, devices: amd })
    assert.deepEqual(on('all'), [{ index: 0, gpu: '0', kind: 'rocm' }])
    assert.deepEqual(on(['rocm:1']), [{ index: 0, gpu: '1', kind: 'rocm' }])
  })

  it('refuses a GPU that is not there, and says what is', () => {
    const naming =
      (name: string, there = devices) =>
      (): Slot[] =>
        planSlots({ ...plan, gpus: [name], devices: there })
    assert.throws(naming('7'), {
      code: 'usage',
      message: "There is no GPU '7': there is 0 (NVIDIA L4), 1 (NVIDIA L4).",
    })
    assert.throws(naming('GPU-'), { code: 'usage' })
    assert.throws(naming('0', []), { code: 'usage', message: /no GPU was found.*--gpus none/ })
  })
})

describe('Slots', () => {
  it('hands each slot out once and counts what is free', async () => {
    const slots = new Slots(cpuSlots(2))
    assert.deepEqual([slots.count, slots.free, slots.busy], [2, 2, 0])
    const one = await slots.acquire(signal)
    const two = await slots.acquire(signal)
    assert.notEqual(one.index, two.index)
    assert.deepEqual([slots.count, slots.free, slots.busy], [2, 0, 2])
    slots.release(one)
    assert.deepEqual([slots.free, slots.busy], [1, 1])
    assert.throws(() => slots.release(one), /not held/)
  })

  it('takes the GPU with the least to do', async () => {
    const devices = [gpu(0), gpu(1)]
    const slots = new Slots(planSlots({ gpus: 'all', slotsPerGpu: 2, cpuSlots: 0, devices }))
    const taken = [await slots.acquire(signal), await slots.acquire(signal)]
    await slots.acquire(signal)
    assert.deepEqual(
      taken.map((slot) => slot.gpu),
      ['0', '1'],
    )
    // GPU 0 has two jobs now, GPU 1 one; with slots of both free, the next one goes to GPU 1.
    slots.release(taken[1]!)
    assert.equal((await slots.acquire(signal)).gpu, '1')
  })

  it('serves those who wait in the order of their coming', async () => {
    const slots = new Slots(cpuSlots(1))
    const order: number[] = []
    const waiting = [0, 1, 2].map((n) =>
      slots.use(signal, async () => {
        order.push(n)
        await turn()
      }),
    )
    await Promise.all(waiting)
    assert.deepEqual(order, [0, 1, 2])
    assert.equal(slots.free, 1)
  })

  it('lets an aborted job leave the line, with the reason', async () => {
    const slots = new Slots(cpuSlots(1))
    const held = await slots.acquire(signal)
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const leaving = slots.acquire(controller.signal)
    const staying = slots.acquire(signal)
    controller.abort(reason)
    await assert.rejects(leaving, (error) => error === reason)
    slots.release(held)
    assert.equal(await staying, held)
    await assert.rejects(slots.acquire(controller.signal), (error) => error === reason)
    slots.release(held)
    assert.equal(slots.free, 1)
  })

  it('serves who holds fewer slots first', async () => {
    const slots = new Slots(cpuSlots(2))
    const [busy, other] = [{}, {}]
    const held = [await slots.acquire(signal, busy), await slots.acquire(signal, busy)]
    const got: string[] = []
    const more = slots.acquire(signal, busy).then(() => got.push('more'))
    assert.deepEqual([slots.heldBy(busy), slots.shouldShare(busy)], [2, false])
    const first = slots.acquire(signal, other).then(() => got.push('first'))
    assert.equal(slots.shouldShare(busy), true)
    for (const slot of held) slots.release(slot)
    await Promise.all([more, first])
    assert.deepEqual(got, ['first', 'more'])
    assert.deepEqual([slots.heldBy(busy), slots.heldBy(other)], [1, 1])
  })

  it('gives a slot back when the work on it fails', async () => {
    const slots = new Slots(cpuSlots(1))
    const failing = slots.use(signal, () => Promise.reject(new Error('broken')))
    await assert.rejects(failing, /broken/)
    assert.equal(slots.free, 1)
  })
})

const MINUTE = 60_000

/** Slots on a clock of the test's, and how often they have told of a change. */
function watched(count: number): { slots: Slots; told: () => number; close: () => void } {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 })
  const slots = new Slots(cpuSlots(count))
  let told = 0
  slots.onChange(() => (told += 1))
  return {
    slots,
    told: () => told,
    close() {
      slots.close()
      mock.timers.reset()
    },
  }
}

async function fail(slots: Slots, jobId: string, code: ErrorCode = 'engine_failed'): Promise<void> {
  await slots.use(signal, (slot) => {
    slots.note(slot, jobId, new AppError(code, `${jobId} failed`))
    return Promise.resolve()
  })
}

async function succeed(slots: Slots, jobId: string): Promise<void> {
  await slots.use(signal, (slot) => {
    slots.note(slot, jobId, null)
    return Promise.resolve()
  })
}

describe('a slot whose engine fails', () => {
  it('pauses after three different jobs, and says why and until when', async () => {
    const { slots, told, close } = watched(1)
    await fail(slots, 'a')
    await fail(slots, 'b', 'gpu_out_of_memory')
    assert.deepEqual([slots.free, told()], [1, 0])
    await fail(slots, 'c', 'model_missing')
    assert.deepEqual([slots.count, slots.free, slots.busy, told()], [1, 0, 0, 1])
    assert.deepEqual(slots.paused, [
      {
        slot: 0,
        reason: 'Its engine failed 3 different jobs in a row, the last with: c failed',
        until: 10 * MINUTE,
      },
    ])
    close()
  })

  it('does not pause for one job that fails again and again', async () => {
    const { slots, close } = watched(1)
    for (const job of ['a', 'a', 'b', 'a', 'b', 'a']) await fail(slots, job)
    assert.deepEqual(slots.paused, [])
    close()
  })

  it('does not pause for what is wrong with files, or was stopped', async () => {
    const { slots, close } = watched(1)
    const others = [
      'invalid_media',
      'no_audio',
      'cancelled',
      'download_failed',
      'no_space',
    ] as const
    for (const code of others) await fail(slots, code, code)
    assert.deepEqual(slots.paused, [])
    await fail(slots, 'a')
    await fail(slots, 'b')
    await fail(slots, 'broken file', 'invalid_media')
    assert.deepEqual(slots.paused, [])
    await fail(slots, 'c')
    assert.equal(slots.paused.length, 1)
    close()
  })

  it('pauses for an unexpected error as well', async () => {
    const { slots, close } = watched(1)
    const slot = await slots.acquire(signal)
    for (const job of ['a', 'b', 'c']) slots.note(slot, job, new TypeError('of undefined'))
    assert.match(slots.paused[0]!.reason, /of undefined/)
    assert.equal(slots.busy, 1)
    slots.release(slot)
    assert.equal(slots.free, 0)
    close()
  })

  it('forgets its failures with a success', async () => {
    const { slots, close } = watched(1)
    await fail(slots, 'a')
    await fail(slots, 'b')
    await succeed(slots, 'c')
    await fail(slots, 'd')
    await fail(slots, 'e')
    assert.deepEqual(slots.paused, [])
    close()
  })

  it('tries one job after the pause, and pauses again at once when that fails', async () => {
    const { slots, told, close } = watched(1)
    for (const job of ['a', 'b', 'c']) await fail(slots, job)
    const waiting = slots.acquire(signal)
    mock.timers.tick(10 * MINUTE - 1)
    assert.equal(slots.busy, 0)
    mock.timers.tick(1)
    const slot = await waiting
    assert.deepEqual([slots.busy, slots.paused, told()], [1, [], 2])
    slots.note(slot, 'd', new AppError('engine_failed', 'again'))
    slots.release(slot)
    assert.equal(slots.paused[0]?.until, 20 * MINUTE)
    assert.deepEqual([slots.free, told()], [0, 3])
    close()
  })

  it('is as good as new when the job after the pause succeeds', async () => {
    const { slots, close } = watched(1)
    for (const job of ['a', 'b', 'c']) await fail(slots, job)
    mock.timers.tick(10 * MINUTE)
    await succeed(slots, 'd')
    await fail(slots, 'e')
    await fail(slots, 'f')
    assert.equal(slots.free, 1)
    close()
  })

  it('leaves the other slots at work', async () => {
    const { slots, close } = watched(2)
    for (const job of ['a', 'b', 'c']) await fail(slots, job)
    assert.equal(slots.free, 1)
    assert.equal((await slots.acquire(signal)).index, 1)
    close()
  })
})
