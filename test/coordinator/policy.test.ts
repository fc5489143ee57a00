import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { backoffMs, deadlineMs } from '../../coordinator/job/policy.ts'
import { NOON, pendingJob, POLICY } from './example-jobs.ts'

test('the wait before a retry doubles from 15 s to 15 min, half of it chance', () => {
  const full = [15, 30, 60, 120, 240, 480, 900, 900, 900].map((seconds) => seconds * SECOND)
  for (const [index, most] of full.entries()) {
    assert.equal(backoffMs(index + 1, 0), most / 2)
    assert.equal(backoffMs(index + 1, 0.5), (most * 3) / 4)
    assert.ok(backoffMs(index + 1, 0.999_999) < most)
    assert.ok(backoffMs(index + 1, 0.999_999) > most * 0.999)
  }
  assert.equal(backoffMs(5_000, 0), 7.5 * MINUTE)
})

test('an attempt may take as long as its content type is given', () => {
  assert.equal(deadlineMs(pendingJob({ contentType: 'audio' }), null, POLICY), 60 * MINUTE)
  assert.equal(deadlineMs(pendingJob({ contentType: 'document' }), null, POLICY), 15 * MINUTE)
})

test('a content type without a deadline of its own has the default one', () => {
  for (const contentType of ['image', 'constructor', '__proto__', 'toString'])
    assert.equal(deadlineMs(pendingJob({ contentType }), null, POLICY), 30 * MINUTE, contentType)
})

test('a long recording is given four times its length, a short one no less than usual', () => {
  assert.equal(deadlineMs(pendingJob(), 5 * 3_600, POLICY), 20 * HOUR)
  assert.equal(deadlineMs(pendingJob(), 60, POLICY), 60 * MINUTE)
  assert.equal(
    deadlineMs(pendingJob(), 5 * 3_600, { ...POLICY, deadlineFactor: 10 }),
    50 * HOUR,
    'the factor is a setting',
  )
})

test('the timeout_seconds of a job wins over its type and its length', () => {
  const job = pendingJob({ taskOptions: { timeout_seconds: 90 } })
  assert.equal(deadlineMs(job, null, POLICY), 90 * SECOND)
  assert.equal(deadlineMs(job, 5 * 3_600, POLICY), 90 * SECOND)
})

test('a timeout_seconds that is no length of time is passed over', () => {
  for (const timeout of [0, -5, '90', null, true, Number.NaN]) {
    const job = pendingJob({ taskOptions: { timeout_seconds: timeout } })
    assert.equal(deadlineMs(job, null, POLICY), 60 * MINUTE, String(timeout))
  }
})

test('a deadline stays an instant that can be written down, whatever was asked for', () => {
  const greedy = pendingJob({ taskOptions: { timeout_seconds: 1e15 } })
  for (const ms of [deadlineMs(greedy, null, POLICY), deadlineMs(pendingJob(), 1e15, POLICY)])
    assert.match(new Date(NOON + ms).toISOString(), /^2\d{3}-/)
})
