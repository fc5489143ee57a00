import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from './asking.ts'
import { Place } from './place.ts'
import { until } from './until.ts'

/** Calls of one worker, of which so many may wait. */
const CALLS = 300
const MOST = 64

test('a coordinator that is asked for too much says when to come again, goes on with the others, and takes it then', async (t) => {
  const place = new Place(t)
  const { file } = place
  const asking = await place.start()
  const refused: Answer[] = []
  const granted: Answer[] = []
  const call = async (n: number): Promise<void> => {
    const answer = await asking.claim('greedy', { claim_id: `${n}`, wait_seconds: 60 })
    if (answer.status === 200) granted.push(answer)
    else refused.push(answer)
  }
  const calls = Array.from({ length: CALLS }, async (_, n) => await call(n))
  await until(() => refused.length === CALLS - MOST)
  for (const { status, headers, body } of refused) {
    assert.deepEqual([status, body['code']], [429, 'too_many_requests'])
    assert.ok(Number(headers.get('retry-after')) > 0)
  }
  const { body: health } = await asking.send('GET', '/health')
  assert.deepEqual([health['status'], health['waiting_claims']], ['ok', MOST])

  // Whoever asks for little is served meanwhile; those who wait have been there first.
  const made: unknown[] = []
  while (made.length <= MOST) made.push((await asking.create(file)).body['job_id'])
  const [job] = await asking.claimed('modest', { wait_seconds: 60 })
  assert.equal((await asking.finish(job!, 'what was said')).status, 200)
  await Promise.all(calls)
  const given = granted.flatMap(({ body }) => body['jobs'] as { job_id: string }[])
  const ids = [...given, job!].map(({ job_id: id }) => id)
  assert.deepEqual(new Set(ids), new Set(made))
  assert.equal(ids.length, made.length)
  const again = await asking.create(file)
  const [next] = await asking.claimed('greedy', { claim_id: 'again' })
  assert.equal(next?.job_id, again.body['job_id'])
})
