import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Principal } from '../../coordinator/access/principal.ts'
import { WorkerNames } from '../../coordinator/access/worker-names.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { NOON } from './example-jobs.ts'

function holder(tokenId: string): Principal {
  return { role: 'worker', tokenId, name: `name of ${tokenId}`, types: null }
}

describe('a client that makes up names of workers', () => {
  test('goes by a thousand at a time, and leaves those of others alone', () => {
    let now = NOON
    const names = new WorkerNames(
      () => now,
      () => true,
    )
    for (let n = 0; n < 1_000; n += 1) names.use(holder('a'), `w${n}`)
    const refused = { code: 'too_many_requests', message: /^The token name of a uses 1000/ }
    assert.throws(() => names.use(holder('a'), 'another'), refused)
    names.use(holder('a'), 'w7')
    names.use(holder('b'), 'another')
    now += 121 * SECOND
    names.use(holder('a'), 'yet another')
  })

  test('keeps no new worker out once they are silent; those that a person sent home stay', () => {
    let now = NOON
    const workers = new Workers(() => now)
    workers.direct('sent home', 'drain')
    for (let n = 1; n < 10_000; n += 1) workers.update(`w${n}`, {})
    const changed: string[] = []
    workers.onUpdate((workerId) => changed.push(workerId))
    assert.throws(() => workers.update('new', {}), { code: 'too_many_requests' })
    now += MINUTE
    workers.update('w1', {})
    now += 61 * SECOND
    workers.update('new', {})
    assert.deepEqual(changed, ['w1', 'w2', 'new'])
    const known = workers.all().map(({ workerId }) => workerId)
    assert.equal(known.length, 10_000)
    assert.ok(['sent home', 'w1', 'new'].every((one) => known.includes(one)))
    assert.equal(workers.directiveOf('sent home'), 'drain')
  })
})
