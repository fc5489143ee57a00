import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Principal } from '../../coordinator/access/principal.ts'
import { WorkerNames } from '../../coordinator/access/worker-names.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { startRunning, until, type Answer } from './running.ts'

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

test('what a fleet may take is set', async (t) => {
  const fleet = { waiting: 1, agents: 2, agentsOfToken: 1 }
  const running = await startRunning(t, { fleet })
  const tokens = running.tokens
  const agent = async (name: string) => {
    const { token } = await tokens.create({ role: 'worker', name, types: null, lifeMs: null })
    return async (worker_id: string, wait_seconds = 0): Promise<Answer> =>
      await running.ask('POST', '/remote-jobs/claim', {
        json: { worker_id, content_types: ['audio'], claim_id: 'c', wait_seconds },
        headers: { authorization: `Bearer ${token}` },
      })
  }
  const [first, second, third] = [await agent('a'), await agent('b'), await agent('c')]
  const waits = first('w1', 60)
  await until(async () => (await running.ask('GET', '/health')).body['waiting_claims'] === 1)
  const refusals = [await second('w2', 60), await third('w3'), await first('w4')]
  await running.stop()
  assert.equal((await waits).status, 200)
  assert.deepEqual(
    refusals.map(({ status, body }) => [status, /--[a-z-]+/.exec(String(body['detail']))?.[0]]),
    [
      [429, '--max-waiting'],
      [429, '--max-agents'],
      [429, '--max-agents-per-token'],
    ],
  )
})

test('a list of many workers is made in slices, between which others have their turns', async (t) => {
  const all = await assembled(t)
  const names = Array.from({ length: 1_000 }, (_, n) => `w${n}`)
  for (const name of names) all.workers.update(name, {})
  let turns = 0
  const count = (): void => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  const json = await all.views.allWorkers()
  clearImmediate(next)
  const shown = JSON.parse(json) as { worker_id: string }[]
  assert.deepEqual(
    shown.map((one) => one.worker_id),
    names,
  )
  assert.ok(turns >= 4)
})
