import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_REQUIREMENTS, requirementsOf } from '../../coordinator/job/requirements.ts'
import { Census } from '../../coordinator/leases/census.ts'
import { abilityOf, newWorker, type Worker } from '../../coordinator/leases/worker.ts'
import type { Capabilities } from '../../shared/announcement.ts'
import { MINUTE } from '../../shared/duration.ts'
import { NOON } from './example-jobs.ts'
import { seededRandom } from '../shared/seeded-random.ts'

const CAN: Capabilities = { engines: ['e'], models: ['m'], features: ['words'], languages: null }
const TYPES = ['audio', 'video']
const NEEDS = [NO_REQUIREMENTS, requirementsOf({ taskOptions: { requires: { words: true } } })]

test('a census to which changes are added is as one that is counted anew', () => {
  const random = seededRandom(7)
  const some = (count: number): number => Math.floor(random() * count)
  let now = NOON
  const workers = new Map<string, Worker>()
  const setAside = new Map<string, number>()
  const holding = new Set<string>()
  const rules = {
    now: () => now,
    presentMs: 2 * MINUTE,
    setAsideUntil: (workerId: string) => setAside.get(workerId) ?? null,
    isHolding: (workerId: string) => holding.has(workerId),
  }
  const kept = new Census([], rules)
  for (let step = 0; step < 2_000; step += 1) {
    const workerId = `w${some(12)}`
    const capabilities = some(2) === 0 ? CAN : null
    workers.set(workerId, {
      ...newWorker(workerId, now),
      contentTypes: TYPES.slice(some(3)),
      ability: abilityOf(workerId, capabilities),
      directive: some(5) === 0 ? 'drain' : 'run',
      slots: some(4),
      lastSeenAt: now - some(3) * MINUTE,
    })
    if (some(4) === 0) holding.add(workerId)
    else holding.delete(workerId)
    if (some(4) === 0) setAside.set(workerId, NOON + MINUTE)
    else setAside.delete(workerId)
    if (some(10) === 0) {
      workers.delete(workerId)
      kept.remove(workerId)
    } else kept.count(workers.get(workerId)!)
    const anew = new Census(workers.values(), rules)
    for (const type of TYPES)
      for (const need of NEEDS) {
        const [one, other] = [kept.workersFor(type, need), anew.workersFor(type, need)]
        assert.deepEqual([one.size, one.slots], [other.size, other.slots])
        assert.ok([...workers.keys()].every((id) => one.has(id) === other.has(id)))
        assert.equal(kept.hasTrustedFor(type, need), anew.hasTrustedFor(type, need))
        assert.equal(kept.hasFor(type, need), anew.hasFor(type, need))
      }
    assert.equal(kept.abilitiesFor('audio').length, anew.abilitiesFor('audio').length)
  }
  assert.equal(kept.isValid, true)
  now += MINUTE + 1
  assert.equal(kept.isValid, false)
})
