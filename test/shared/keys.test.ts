import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromWire, toWire } from '../../shared/keys.ts'

const CODE = {
  jobId: 'a',
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  completedAt: null,
  retryCount: 0,
  flag: false,
  list: [1, 'two', null, { innerKey: [{ deepAt: 0 }] }],
  source: { sizeBytes: 5, sha256: 'ab', modifiedAt: Date.UTC(2000, 0) },
}
const WIRE = {
  job_id: 'a',
  created_at: '2026-01-02T03:04:05.678Z',
  completed_at: null,
  retry_count: 0,
  flag: false,
  list: [1, 'two', null, { inner_key: [{ deep_at: '1970-01-01T00:00:00.000Z' }] }],
  source: { size_bytes: 5, sha256: 'ab', modified_at: '2000-01-01T00:00:00.000Z' },
}

test('keys are snake_case on the wire and camelCase in code, instants text and numbers', () => {
  assert.deepEqual(toWire(CODE), WIRE)
  assert.deepEqual(fromWire(WIRE), CODE)
})

test('there and back again is the same', () => {
  assert.deepEqual(fromWire(toWire(CODE)), CODE)
  assert.deepEqual(toWire(fromWire(WIRE)), WIRE)
})

test('what belongs to the user passes through untouched, both ways, at any depth', () => {
  const theirs = { webhookUrl: 1, some_key: { deep_at: '2026-01-01T00:00:00Z', otherAt: 5 } }
  for (const [inCode, onWire] of [
    ['taskOptions', 'task_options'],
    ['metadata', 'metadata'],
    ['checkpoint', 'checkpoint'],
  ] as const) {
    assert.deepEqual(toWire({ outerKey: { [inCode]: theirs } }), {
      outer_key: { [onWire]: theirs },
    })
    assert.deepEqual(fromWire({ outer_key: { [onWire]: theirs } }), {
      outerKey: { [inCode]: theirs },
    })
  }
  const out = fromWire({ task_options: theirs })
  assert.equal(out.taskOptions, theirs, 'the same object')
})

test('a key that is undefined is not on the wire; null is', () => {
  assert.deepEqual(Object.keys(toWire({ aKey: undefined, bKey: null }) as object), ['b_key'])
})

test('only an instant’s text becomes a number', () => {
  assert.deepEqual(fromWire({ at: '2026-01-01T00:00:00Z', that: 'x', look_at: 5 }), {
    at: '2026-01-01T00:00:00Z',
    that: 'x',
    lookAt: 5,
  })
})

test('values that are no objects are themselves', () => {
  for (const value of [null, 5, 'a_text', true, undefined]) {
    assert.equal(toWire(value), value)
    assert.equal(fromWire(value), value)
  }
})

test('very many different keys are still mapped right', () => {
  for (let n = 0; n < 1_500; n += 1)
    assert.deepEqual(fromWire({ [`some_key_x${n}`]: n }), { [`someKeyX${n}`]: n })
})

test('a text that is no instant stays one, whatever its key is named', () => {
  const record = { starts_at: 'soon', ended_at: '2026-01-02T12:00:00.000Z' }
  assert.deepEqual(toWire(fromWire(record)), record)
})
