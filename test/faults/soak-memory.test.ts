import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLevel } from '../../scripts/soak/memory.ts'

const LOAD_MS = 100_000

/** A sample each second of a load. */
function samples(mbAt: (second: number) => number): { at: number; mb: number }[] {
  return Array.from({ length: 100 }, (_, second) => ({
    at: 5_000 + second * 1_000,
    mb: mbAt(second),
  }))
}

test('memory is level that is the same again after each kill, and not when it grows on', () => {
  const killed = memoryLevel(
    samples((second) => 100 + (second % 20)),
    LOAD_MS,
  )
  assert.equal(killed.isLevel, true)
  assert.ok(Math.abs(killed.endMb - killed.startMb) < 20)
  const filling = samples((second) => Math.min(200, 60 + second * 10))
  assert.equal(memoryLevel(filling, LOAD_MS).isLevel, true)
  assert.equal(
    memoryLevel(
      samples((second) => 100 + 3 * second),
      LOAD_MS,
    ).isLevel,
    false,
  )
})
