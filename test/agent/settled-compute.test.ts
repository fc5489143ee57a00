import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SettledCompute } from '../../agent/engines/settled-compute.ts'

const usual = { batchSize: null, computeType: null, model: 'medium', device: 'gpu' } as const
const small = { ...usual, model: 'small' }
const slot = { index: 0, gpu: 'GPU-a' }

describe('what fits into the memory of a slot', () => {
  it('is where the next piece begins, with the notes of how it came to that', () => {
    const settled = new SettledCompute()
    assert.deepEqual(settled.from(slot, usual), { compute: usual, notes: [] })
    settled.note(slot, usual, small, ['smaller'])
    assert.equal(settled.from(slot, usual).compute, small)
    assert.deepEqual(settled.from(slot, usual).notes, ['smaller'])
    assert.equal(settled.from({ ...slot, index: 1 }, usual).compute, usual)
    assert.equal(settled.from(slot, { ...usual, model: 'base' }).compute.model, 'base')
  })

  it('is found out anew after half an hour', () => {
    let now = 0
    const settled = new SettledCompute(() => now)
    settled.note(slot, usual, small, [])
    now = 29 * 60_000
    settled.note(slot, usual, small, [])
    assert.equal(settled.from(slot, usual).compute, small)
    now = 30 * 60_000
    assert.equal(settled.from(slot, usual).compute, usual)
  })
})
