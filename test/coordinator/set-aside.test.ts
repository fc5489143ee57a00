import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  endsBetween,
  CircuitBreakers,
  type AttemptEnd,
} from '../../coordinator/job/circuit-breaker.ts'
import type { Attempt, Job } from '../../coordinator/job/job.ts'
import type { Outcome } from '../../shared/wire.ts'
import { DAY, HOUR, MINUTE } from '../../shared/duration.ts'
import { after, CLAIM, NOON, pendingJob } from './example-jobs.ts'
import { claim, createJob, startRunning, until, type Running } from './running.ts'

/** A failure of w1 with a job of that name. */
function failure(jobId: string, different: Partial<AttemptEnd> = {}): AttemptEnd {
  const when = { startedAt: NOON - MINUTE, endedAt: NOON }
  return { workerId: 'w1', jobId, errorCode: 'engine_failed', isLost: false, ...when, ...different }
}

/** What is noted of these, one after the other. */
function noted(asides: CircuitBreakers, ...ends: AttemptEnd[]): (number | null)[] {
  return ends.map((end) => asides.note(end)?.untilAt ?? null)
}

describe('a worker', () => {
  test('is set aside for ten minutes once it has failed three different jobs in a row', () => {
    const asides = new CircuitBreakers()
    const until = NOON + 10 * MINUTE
    const failed = [failure('a'), failure('b', { errorCode: 'internal' }), failure('c')]
    assert.deepEqual(noted(asides, ...failed), [null, null, until])
    const aside = asides.of('w1', until - 1)
    assert.equal(
      aside?.reason,
      'Its last attempts failed, on 3 different jobs: engine_failed, internal, engine_failed.',
    )
    assert.equal(asides.of('w1', until), null)
    assert.equal(asides.of('w2', NOON), null)
  })

  test('is set aside at once when its machine lacks what a job needs', () => {
    const asides = new CircuitBreakers()
    const until = NOON + 10 * MINUTE
    assert.deepEqual(noted(asides, failure('a', { errorCode: 'no_space' })), [until])
    assert.equal(asides.of('w1', NOON)?.reason, 'Its machine lacks something: no_space.')
    assert.deepEqual(noted(asides, failure('b', { errorCode: 'model_missing' })), [null])
  })

  test('is not for one job that fails again and again, nor for what another does', () => {
    const asides = new CircuitBreakers()
    const one = [failure('a'), failure('b'), failure('a'), failure('b'), failure('a')]
    const other = failure('c', { workerId: 'w2' })
    assert.deepEqual(noted(asides, ...one, other), [null, null, null, null, null, null])
  })

  test('of the original protocol is not for failures that it has no code for, nor for a coordinator that was away', () => {
    const lost = { outcome: 'lost', errorCode: 'worker_lost' } as const
    const untold = { outcome: 'failed', errorCode: 'internal' } as const
    const told = { outcome: 'failed', errorCode: 'engine_failed' } as const
    const ends = (leased: boolean, end: typeof lost | typeof untold | typeof told): number => {
      const claimed = after(pendingJob(), { ...CLAIM, leased })
      const attempts = claimed.attempts.map((one) => ({ ...one, ...end, endedAt: NOON }))
      return endsBetween(claimed, { ...claimed, attempts }).length
    }
    assert.deepEqual(
      [lost, untold, told].map((end) => ends(true, end)),
      [1, 1, 1],
    )
    assert.deepEqual(
      [lost, untold, told].map((end) => ends(false, end)),
      [0, 0, 1],
    )
  })

  test('begins anew with every success', () => {
    const asides = new CircuitBreakers()
    const success = failure('c', { errorCode: null })
    const ends = [failure('a'), failure('b'), success, failure('d'), failure('e'), failure('f')]
    assert.deepEqual(noted(asides, ...ends).map(Boolean), [false, false, false, false, false, true])
    asides.note(success)
    assert.equal(asides.of('w1', NOON), null)
  })

  test('is set aside for twice as long by the next failure after that, up to an hour', () => {
    const asides = new CircuitBreakers()
    noted(asides, failure('a'), failure('b'))
    let now = NOON
    const terms: number[] = []
    for (const jobId of ['c', 'd', 'e', 'f', 'g']) {
      const aside = asides.note(failure(jobId, { endedAt: now }))
      terms.push((aside!.untilAt - now) / MINUTE)
      assert.match(aside!.reason, /on 3 different jobs: \w+, \w+, \w+\.$/)
      now = aside!.untilAt
    }
    assert.deepEqual(terms, [10, 20, 40, 60, 60])
    asides.note(failure('h', { errorCode: null }))
    const again = [failure('a'), failure('b'), failure('c')]
    assert.deepEqual(noted(asides, ...again), [null, null, NOON + 10 * MINUTE])
  })

  test('is not set aside for longer by what still fails meanwhile', () => {
    const asides = new CircuitBreakers()
    const later = failure('d', { endedAt: NOON + MINUTE })
    const ends = [failure('a'), failure('b'), failure('c'), later]
    assert.deepEqual(noted(asides, ...ends).at(-1), null)
    assert.equal(asides.of('w1', NOON)?.untilAt, NOON + 10 * MINUTE)
  })

  test('has failed once when one silence has lost all that it was doing', () => {
    const asides = new CircuitBreakers()
    const lost = { errorCode: 'worker_lost', isLost: true }
    const ends = ['a', 'b', 'c', 'd'].map((jobId) => failure(jobId, lost))
    assert.deepEqual(noted(asides, ...ends), [null, null, null, null])
    const next = (minutes: number) => ({
      ...lost,
      startedAt: NOON + (minutes - 1) * MINUTE,
      endedAt: NOON + minutes * MINUTE,
    })
    const silences = [failure('e', next(5)), failure('f', next(10))]
    assert.deepEqual(noted(asides, ...silences).map(Boolean), [false, true])
  })

  test('is forgiven by hand, and forgotten after a day', () => {
    const asides = new CircuitBreakers()
    noted(asides, failure('a'), failure('b'), failure('c'))
    asides.reset('w1')
    assert.deepEqual([asides.of('w1', NOON), asides.note(failure('d'))], [null, null])
    noted(asides, failure('e'))
    asides.prune(NOON + DAY)
    assert.ok(asides.note(failure('f')) !== null, 'not yet forgotten')
    asides.reset('w1')
    noted(asides, failure('a'), failure('b'))
    asides.prune(NOON + DAY + HOUR)
    assert.equal(asides.note(failure('c')), null)
  })
})

describe('the end of an attempt', () => {
  const open: Attempt = {
    number: 1,
    workerId: 'w1',
    tokenId: null,
    leased: true,
    startedAt: NOON,
    endedAt: null,
    outcome: null,
    errorCode: null,
    errorMessage: null,
    ability: null,
  }
  const job = (...attempts: Attempt[]): Job => pendingJob({ attempts })
  const ended = (outcome: Outcome, errorCode: string | null): Attempt => ({
    ...open,
    endedAt: NOON + MINUTE,
    outcome,
    errorCode,
  })
  const told = (outcome: Outcome, errorCode: string | null = null): (string | null)[] =>
    endsBetween(job(open), job(ended(outcome, errorCode))).map((end) => end.errorCode)

  test('counts where the machine may be at fault, and not where the file is', () => {
    assert.deepEqual(told('failed', 'engine_failed'), ['engine_failed'])
    assert.deepEqual(told('failed', 'a code of a newer agent'), ['a code of a newer agent'])
    assert.deepEqual(told('failed', 'stalled'), ['stalled'])
    assert.deepEqual(told('lost', 'worker_lost'), ['worker_lost'])
    assert.deepEqual(told('completed'), [null])
    for (const code of ['invalid_media', 'no_audio', 'source_changed', 'too_large'])
      assert.deepEqual(told('failed', code), [], code)
    for (const outcome of ['released', 'cancelled', 'superseded', 'reassigned', 'timeout'] as const)
      assert.deepEqual(told(outcome), [], outcome)
  })

  test('is logged once, also when a success comes late', () => {
    const lost = ended('lost', 'worker_lost')
    const second = { ...open, number: 2, workerId: 'w2' }
    assert.deepEqual(endsBetween(job(lost), job(lost, second)), [])
    const late = endsBetween(
      job(lost, second),
      job(ended('completed', null), { ...second, endedAt: NOON, outcome: 'superseded' }),
    )
    assert.deepEqual(
      late.map(({ workerId, errorCode }) => [workerId, errorCode]),
      [['w1', null]],
    )
    assert.deepEqual(endsBetween(null, job()), [])
    assert.deepEqual(endsBetween(job(lost), null), [])
  })
})

describe('a job that a machine lacks something for', () => {
  const lacking = { success: false, error_code: 'no_space', retryable: true }

  test('goes to another worker, also when the one that failed waits before it', async (t) => {
    const running = await startRunning(t)
    // Both are known before there is work.
    for (const worker of ['full', 'roomy']) await claim(running, { worker_id: worker })
    const jobId = await createJob(running)
    const [job] = await claim(running, { worker_id: 'full' })
    const first = claim(running, { worker_id: 'full', wait_seconds: 5 })
    await until(async () => (await waitingCalls(running)) === 1)
    const second = claim(running, { worker_id: 'roomy', wait_seconds: 5 })
    await until(async () => (await waitingCalls(running)) === 2)
    const { body } = await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
      json: { ...lacking, lease_token: job!.lease_token },
    })
    assert.equal(body['status'], 'pending')
    assert.equal((await second)[0]?.job_id, jobId)
    const other = await createJob(running)
    await running.ask('POST', `/remote-jobs/${other}/reassign`, { json: { worker_id: 'full' } })
    assert.equal((await first)[0]?.job_id, other)
  })

  test('waits, and keeps its tries, while no other worker is there', async (t) => {
    const running = await startRunning(t, { maxRetries: 1 })
    const jobId = await createJob(running)
    for (let n = 1; n <= 2; n += 1) {
      const [job] = await claim(running, { worker_id: 'full' })
      assert.equal(job?.attempt, n)
      await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
        json: { ...lacking, lease_token: job.lease_token },
      })
    }
    assert.deepEqual(await claim(running, { worker_id: 'full' }), [])
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
    assert.deepEqual([body['status'], body['retry_count']], ['pending', 0])
  })

  /** How many calls wait for work. */
  async function waitingCalls(running: Running): Promise<number> {
    return Number((await running.ask('GET', '/health')).body['waiting_claims'])
  }
})

describe('over HTTP a worker that fails three jobs', () => {
  type Shown = { worker_id: string; set_aside: { until: string; reason: string } | null }

  async function shown(running: Running, workerId = 'bad'): Promise<Shown['set_aside']> {
    const { body } = await running.ask('GET', '/workers')
    const found = (body['workers'] as Shown[]).find((one) => one.worker_id === workerId)
    return found!.set_aside
  }

  /** A worker takes this many jobs and fails them. */
  async function fail(running: Running, count: number, workerId = 'bad'): Promise<void> {
    for (let n = 0; n < count; n += 1) {
      await createJob(running)
      const [job] = await claim(running, { worker_id: workerId })
      const { status } = await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, {
        json: { success: false, error_code: 'engine_failed', lease_token: job!.lease_token },
      })
      assert.equal(status, 200)
    }
  }

  test('gets no more while another can have them, and says why', async (t) => {
    const running = await startRunning(t)
    await fail(running, 2)
    assert.equal(await shown(running), null)
    await fail(running, 1)
    const aside = await shown(running)
    assert.match(aside!.reason, /engine_failed/)
    assert.ok(Math.abs(Date.parse(aside!.until) - Date.now() - 10 * MINUTE) < MINUTE)
    const lines = running.logged.filter((line) => line.includes('worker set aside'))
    assert.equal(lines.length, 1)
    assert.equal((JSON.parse(lines[0]!) as Record<string, unknown>)['worker_id'], 'bad')
    // Nobody else is there: the work has to be done by somebody.
    await createJob(running)
    assert.equal((await claim(running, { worker_id: 'bad' })).length, 1)
    assert.equal((await claim(running, { worker_id: 'good' })).length, 0)
    const jobId = await createJob(running)
    assert.deepEqual(await claim(running, { worker_id: 'bad' }), [])
    assert.equal(
      (await running.ask('GET', '/remote-jobs/poll?worker_id=bad&content_types=audio')).body[
        'job_id'
      ],
      null,
    )
    assert.equal((await claim(running, { worker_id: 'good' }))[0]?.job_id, jobId)
  })

  test('may still have what was kept for it by hand, and what no other can do', async (t) => {
    const running = await startRunning(t)
    await fail(running, 3)
    await claim(running, { worker_id: 'good' })
    const kept = await createJob(running)
    await running.ask('POST', `/remote-jobs/${kept}/reassign`, { json: { worker_id: 'bad' } })
    assert.equal((await claim(running, { worker_id: 'bad' }))[0]?.job_id, kept)
    await running.ask('POST', '/workers/bad/heartbeat', {
      json: {
        state: 'idle',
        version: '1',
        slots: 1,
        jobs: [],
        capabilities: { engines: [], models: [], languages: null, features: ['diarize'] },
      },
    })
    const special = await createJob(running, { task_options: { requires: { diarize: true } } })
    await createJob(running)
    const taken = await claim(running, { worker_id: 'bad', max_jobs: 5 })
    assert.deepEqual(
      taken.map((job) => job.job_id),
      [special],
    )
  })

  test('has the work while all others are set aside or drained too', async (t) => {
    const running = await startRunning(t)
    await fail(running, 3)
    await fail(running, 3, 'worse')
    await createJob(running)
    assert.equal((await claim(running, { worker_id: 'bad' })).length, 1)
    await claim(running, { worker_id: 'good' })
    const jobId = await createJob(running)
    assert.deepEqual(await claim(running, { worker_id: 'bad' }), [])
    await running.ask('POST', '/workers/good/drain')
    assert.equal((await claim(running, { worker_id: 'bad' }))[0]?.job_id, jobId)
  })

  test('has the work while the other takes nothing: it leaves by itself, or all its slots pause', async (t) => {
    const running = await startRunning(t)
    await fail(running, 3)
    await claim(running, { worker_id: 'good' })
    const paused = [{ slot: 0, reason: 'too hot', until: null }]
    for (const news of [{ state: 'draining' }, { paused }]) {
      const json = { state: 'running', version: '1', slots: 1, jobs: [] }
      await running.ask('POST', '/workers/good/heartbeat', { json })
      const jobId = await createJob(running)
      assert.deepEqual(await claim(running, { worker_id: 'bad' }), [])
      await running.ask('POST', '/workers/good/heartbeat', { json: { ...json, ...news } })
      assert.equal((await claim(running, { worker_id: 'bad' }))[0]?.job_id, jobId)
    }
  })

  test('is trusted again at once by hand, also while it waits for work', async (t) => {
    const running = await startRunning(t)
    await fail(running, 3)
    await claim(running, { worker_id: 'good' })
    const waiting = claim(running, { worker_id: 'bad', wait_seconds: 30 })
    await until(async () => (await running.ask('GET', '/health')).body['waiting_claims'] === 1)
    const jobId = await createJob(running)
    assert.equal((await running.ask('GET', '/health')).body['waiting_claims'], 1)
    const { body } = await running.ask('POST', '/workers/bad/resume')
    assert.equal(body['set_aside'], null)
    assert.equal((await waiting)[0]?.job_id, jobId)
    assert.equal(await shown(running), null)
  })

  test('is trusted again by a success', async (t) => {
    const running = await startRunning(t)
    await fail(running, 3)
    await createJob(running)
    const [job] = await claim(running, { worker_id: 'bad' })
    await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, {
      json: { success: true, content: 'text', lease_token: job!.lease_token },
    })
    assert.equal(await shown(running), null)
  })

  test('is not blamed for broken files', async (t) => {
    const running = await startRunning(t)
    for (let n = 0; n < 4; n += 1) {
      await createJob(running)
      const [job] = await claim(running, { worker_id: 'bad' })
      await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, {
        json: { success: false, error_code: 'invalid_media', lease_token: job!.lease_token },
      })
    }
    assert.equal(await shown(running), null)
  })
})
