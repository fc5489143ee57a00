import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Place } from './place.ts'

const WORKERS = 5
const LEASE_MS = 3_000
const STANDSTILL_MS = 3_500

test('a coordinator that stood still for longer than a lease, twice in a row, takes no attempt from its worker', async (t) => {
  const place = new Place(t)
  const args = ['--lease', `${LEASE_MS}ms`, '--stall', `${LEASE_MS}ms`, '--queue-limit', '6s']
  const asking = await place.start({ args })
  const workers = Array.from({ length: WORKERS }, (_, i) => `worker-${i}`)
  for (const worker of workers) await asking.create(place.file, { ingestion_task_id: worker })
  const held = await Promise.all(
    workers.map(async (worker) => ({ worker, jobs: await asking.claimed(worker) })),
  )
  const { body: waiting } = await asking.create(place.file, { content_type: 'video' })

  const { running } = place
  running.signal('SIGSTOP')
  // The standstill itself.
  await delay(STANDSTILL_MS)
  running.signal('SIGCONT')
  running.signal('SIGSTOP')
  const beats = held.map(async ({ worker, jobs }) => await asking.beat(worker, jobs))
  await delay(STANDSTILL_MS)
  running.signal('SIGCONT')

  const orders = (await Promise.all(beats)).flatMap(
    ({ body }) => body['jobs'] as { order: string }[],
  )
  assert.deepEqual(
    orders.map(({ order }) => order),
    workers.map(() => 'continue'),
  )
  const { body } = await asking.send('GET', `/remote-jobs/${String(waiting['job_id'])}/status`)
  assert.equal(body['status'], 'pending', 'nobody could claim it meanwhile')
  assert.ok(running.lines.some((line) => /"stood_still_ms":[2-9]\d{3}/.test(line)))
})
