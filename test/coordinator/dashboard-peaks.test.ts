import assert from 'node:assert/strict'
import { test } from 'node:test'
// @ts-expect-error: the page's own JavaScript, which is checked by itself
import { peaksOf } from '../../coordinator/dashboard/peaks.js'

const sound = (...samples: number[]) => Float32Array.from(samples)

test('the waveform of sound that is shorter than its video ends where the sound does', () => {
  assert.deepEqual([...peaksOf([sound(0.5, 0.5, 0.25, 0.25)], 8, 4)], [1, 0.5, 0, 0])
})

test('the waveform shows speech on either channel', () => {
  const left = sound(0.5, 0, 0, 0)
  const right = sound(0, 0, 0, -0.5)
  assert.deepEqual([...peaksOf([left, right], 4, 4)], [1, 0, 0, 1])
})

test('the waveform of sound that is longer, or shorter than its places, is whole', () => {
  assert.deepEqual([...peaksOf([sound(1, 1, 1, 1, 1, 1)], 4, 2)], [1, 1])
  assert.deepEqual([...peaksOf([sound(1, 0.5)], 2, 500)], [1, 0.5])
  assert.deepEqual([...peaksOf([], 0, 500)], [0])
})
