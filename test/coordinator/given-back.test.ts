import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CircuitBreakers, type GivenBack } from '../../coordinator/job/circuit-breaker.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { NOON } from './example-jobs.ts'
import { claim, createJob, startRunning, type Running } from './running.ts'

/** The n-th of many that follow each other. */
function givenBack(n: number): GivenBack {
  const startedAt = NOON + n * SECOND
  return { workerId: 'w1', startedAt, endedAt: startedAt + 100 }
}

function noted(asides: CircuitBreakers, from: number, to: number): boolean[] {
  const rows: boolean[] = []
  for (let n = from; n < to; n += 1) rows.push(asides.noteGivenBack(givenBack(n)) !== null)
  return rows
}

describe('a worker that gives back whatever it gets', () => {
  test('is set aside from the tenth time on, for longer each time', () => {
    const asides = new CircuitBreakers()
    assert.deepEqual(noted(asides, 0, 9).includes(true), false)
    const aside = asides.noteGivenBack(givenBack(9))
    assert.equal(aside?.untilAt, givenBack(9).endedAt + 10 * MINUTE)
    assert.equal(aside.reason, 'It gave back 10 jobs in a row and completed none.')
    assert.deepEqual(noted(asides, 10, 20).includes(true), false)
    const later = { ...givenBack(0), startedAt: aside.untilAt + 1, endedAt: aside.untilAt + 2 }
    assert.equal(asides.noteGivenBack(later)?.untilAt, later.endedAt + 20 * MINUTE)
  })

  test('begins anew with a success', () => {
    const asides = new CircuitBreakers()
    noted(asides, 0, 9)
    const success = { ...givenBack(9), jobId: 'a', errorCode: null, isLost: false }
    asides.note(success)
    assert.deepEqual(noted(asides, 10, 19).includes(true), false)
    assert.deepEqual(noted(asides, 19, 20), [true])
  })

  test('has given back once what it held at one time: an agent that stops gives back all', () => {
    const asides = new CircuitBreakers()
    for (let n = 0; n < 50; n += 1) {
      const one = { workerId: 'w1', startedAt: NOON, endedAt: NOON + MINUTE + n }
      assert.equal(asides.noteGivenBack(one), null)
    }
    assert.deepEqual(noted(asides, 100, 108).includes(true), false)
    assert.deepEqual(noted(asides, 108, 109), [true])
  })

  test('gets no more over HTTP while another is there for it, who does', async (t) => {
    const running = await startRunning(t)
    await createJob(running)
    // Here, for the other to be set aside in favour of.
    await claim(running, {
      worker_id: 'w2',
      content_types: ['audio', 'nothing'],
      max_jobs: 1,
    }).then(async ([job]) => await giveBack(running, job!))
    for (let n = 0; n < 10; n += 1) {
      const [job] = await claim(running, { worker_id: 'w1' })
      assert.ok(job !== undefined, `time ${n}`)
      await giveBack(running, job)
    }
    assert.deepEqual(await claim(running, { worker_id: 'w1' }), [])
    const { workers } = (await running.ask('GET', '/workers')).body as {
      workers: { worker_id: string; set_aside: { reason: string } | null }[]
    }
    const w1 = workers.find((one) => one.worker_id === 'w1')
    assert.match(w1?.set_aside?.reason ?? '', /^It gave back 10 jobs in a row/)
    assert.ok(running.logged.some((line) => line.includes('worker set aside')))
    assert.equal((await claim(running, { worker_id: 'w2' })).length, 1)
  })
})

async function giveBack(
  running: Running,
  { job_id, lease_token }: { job_id: string; lease_token: string },
): Promise<void> {
  const { status } = await running.ask('POST', `/remote-jobs/${job_id}/release`, {
    json: { lease_token },
  })
  assert.equal(status, 200)
  // Attempts of one millisecond count as one.
  const now = Date.now()
  while (Date.now() <= now) await new Promise((resolve) => setImmediate(resolve))
}
