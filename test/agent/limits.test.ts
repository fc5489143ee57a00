import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { createLimits, LIMIT_EXIT, type LimitSettings } from '../../agent/limits.ts'

const NONE: LimitSettings = { idleTimeoutMs: null, maxJobs: null, maxUptimeMs: null }
const DAY = 86_400_000

/** Limits on the test's clock, and which of them were told. */
function watch(settings: Partial<LimitSettings>) {
  const told: string[] = []
  const limits = createLimits({
    ...NONE,
    ...settings,
    now: () => Date.now(),
    onReached: (which) => told.push(which),
  })
  return { limits, told }
}

describe('limits', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 }))
  afterEach(() => mock.timers.reset())

  it('have an exit code each', () => {
    assert.deepEqual(LIMIT_EXIT, { idle: 10, jobs: 11, uptime: 12, preempted: 13 })
  })

  it('end an agent that never had a job', () => {
    const { limits, told } = watch({ idleTimeoutMs: 1000 })
    mock.timers.tick(999)
    assert.deepEqual(told, [])
    mock.timers.tick(1)
    assert.deepEqual(told, ['idle'])
    assert.equal(limits.reached, 'idle')
  })

  it('count idle time from the end of the last job', () => {
    const { limits, told } = watch({ idleTimeoutMs: 1000 })
    mock.timers.tick(900)
    limits.busy()
    mock.timers.tick(5000)
    limits.idle()
    mock.timers.tick(600)
    // Said twice, it is still the same rest.
    limits.idle()
    mock.timers.tick(399)
    assert.deepEqual(told, [])
    mock.timers.tick(1)
    assert.deepEqual(told, ['idle'])
  })

  it('end with the beginning of the last job allowed, so that no more are taken', () => {
    const { limits, told } = watch({ maxJobs: 2 })
    assert.equal(limits.jobsLeft, 2)
    limits.jobBegun()
    assert.deepEqual([limits.jobsLeft, told.length], [1, 0])
    limits.jobBegun()
    assert.deepEqual([limits.jobsLeft, told], [0, ['jobs']])
  })

  it('end after the time, busy or not', () => {
    const { limits, told } = watch({ maxUptimeMs: 5000, idleTimeoutMs: 4000 })
    limits.busy()
    mock.timers.tick(4999)
    assert.deepEqual(told, [])
    mock.timers.tick(1)
    assert.deepEqual(told, ['uptime'])
  })

  it('may be further away than a timer reaches', () => {
    const { told } = watch({ maxUptimeMs: 60 * DAY })
    mock.timers.tick(24 * DAY)
    mock.timers.tick(24 * DAY)
    assert.deepEqual(told, [])
    mock.timers.tick(12 * DAY)
    assert.deepEqual(told, ['uptime'])
  })

  it('are reported once: the first that is reached', () => {
    const { limits, told } = watch({ maxJobs: 1, maxUptimeMs: 5000, idleTimeoutMs: 1000 })
    limits.busy()
    limits.jobBegun()
    limits.jobBegun()
    limits.idle()
    mock.timers.tick(10_000)
    assert.deepEqual(told, ['jobs'])
  })

  it('are none when there are none, and none after the end', () => {
    const { limits, told } = watch({})
    limits.jobBegun()
    assert.equal(limits.jobsLeft, Infinity)
    const closed = watch({ maxJobs: 1, maxUptimeMs: 5000 })
    closed.limits.close()
    closed.limits.jobBegun()
    mock.timers.tick(100 * DAY)
    assert.deepEqual([...told, ...closed.told], [])
  })
})
