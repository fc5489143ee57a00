import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { batchSizeFor } from '../../agent/engines/python/batch-size.ts'
import type { Device } from '../../agent/gpu/device.ts'
import { parseNvidiaQuery } from '../../agent/gpu/driver-output.ts'
import { freeMemoryPerSlot } from '../../agent/gpu/free-memory.ts'
import { planSlots } from '../../agent/gpu/slot-plan.ts'
import { recorded } from './recorded/nvidia-smi/replayed.ts'

function devicesOf(file: string): Device[] {
  const stdoutTail = readFileSync(recorded(`nvidia-smi/${file}`), 'utf8')
  return parseNvidiaQuery({ exitCode: 0, stdoutTail, stderrTail: '' }).devices
}

describe('the free memory for a slot', () => {
  const devices = devicesOf('two-gpus.csv')
  const plan = (slotsPerGpu: number, of: readonly Device[] = devices) =>
    planSlots({ gpus: 'all', slotsPerGpu, cpuSlots: 1, devices: of })

  it('is that of its GPU, as nvidia-smi says it', () => {
    assert.equal(freeMemoryPerSlot(plan(1), devices), 22574)
  })

  it('is shared by the slots of a GPU', () => {
    assert.equal(freeMemoryPerSlot(plan(2), devices), 11287)
  })

  it('is the least of different GPUs', () => {
    const mixed = devices.map((device) => ({
      ...device,
      freeMb: device.index === 0 ? 7000 : 22574,
    }))
    assert.equal(freeMemoryPerSlot(plan(1, mixed), mixed), 7000)
  })

  it('is unknown on the CPU, and where the driver does not say', () => {
    const none = planSlots({ gpus: 'none', slotsPerGpu: 1, cpuSlots: 2, devices: [] })
    assert.equal(freeMemoryPerSlot(none, devices), null)
    const unified = devicesOf('unified-memory.csv')
    assert.equal(freeMemoryPerSlot(plan(1, unified), unified), null)
  })
})

describe('the batch of faster-whisper on a GPU', () => {
  const CASES: [model: string, type: string | null, freeMb: number | null, batch: number][] = [
    ['large-v3', null, 22574, 16],
    // What the README of faster-whisper measured on 8 GB: a batch of 8 takes 6090 MB.
    ['large-v2', 'float16', 7800, 8],
    ['large-v3', null, 5800, 2],
    ['large-v3', null, 4000, 1],
    ['large-v3', 'int8_float16', 5800, 8],
    ['large-v3-turbo', null, 5800, 16],
    ['small', null, 2500, 8],
    ['my-own-finetune', null, 7800, 8],
    ['large-v3', null, null, 8],
    ['base', null, 300, 1],
  ]
  for (const [model, type, freeMb, batch] of CASES) {
    const free = freeMb === null ? 'an unknown amount' : `${freeMb} MiB`
    it(`is ${batch} for ${model} (${type ?? 'as it was made'}) with ${free} free`, () => {
      assert.equal(batchSizeFor(model, type, freeMb), batch)
    })
  }
})
