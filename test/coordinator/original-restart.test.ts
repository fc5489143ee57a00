import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { API_KEY_HOLDER } from '../../coordinator/access/principal.ts'
import { receivedOf } from '../../coordinator/blobs/transcript-work.ts'
import type { Claim } from '../../coordinator/leases/claims.ts'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled, type Assembled } from './assembled.ts'
import { createJob, startRunning } from './running.ts'

const QUERY = { lease: null, query: null }

/** What a worker of the original protocol is given; their ids. */
async function poll(all: Assembled, different: Partial<Claim> = {}): Promise<string[]> {
  return (await all.claim({ claimId: null, ...different })).map(({ jobId }) => jobId)
}

async function download(all: Assembled, jobId: string, toItsEnd = true): Promise<void> {
  const attempt = await all.attempts.mayDownload(all.job(jobId), QUERY, API_KEY_HOLDER)
  if (toItsEnd) await all.attempts.downloaded(all.job(jobId), attempt)
}

async function put(all: Assembled, jobId: string, content: string | null): Promise<string> {
  const body = { success: content !== null, content, errorMessage: content === null ? 'no' : null }
  return (await all.attempts.finish(jobId, receivedOf(body), API_KEY_HOLDER)).status
}

/** A coordinator that `w1` has polled a job from, after a restart. */
async function polledBefore(
  t: TestContext,
  { fetched }: { fetched: boolean | 'in part' },
): Promise<{ all: Assembled; jobId: string }> {
  const before = await assembled(t)
  const jobId = await before.add()
  assert.deepEqual(await poll(before), [jobId])
  if (fetched !== false) await download(before, jobId, fetched === true)
  return { all: await assembled(t, { over: before }), jobId }
}

function ofJob(all: Assembled, jobId: string) {
  const { status, retryCount, attempts } = all.job(jobId)
  return [status, retryCount, ...attempts.map(({ outcome }) => outcome)]
}

describe('a worker of the original protocol whose coordinator was restarted', () => {
  for (const fetched of [false, 'in part'] as const) {
    test(`is given at its next poll what it had fetched ${fetched === false ? 'nothing' : 'only a part'} of, once`, async (t) => {
      const { all, jobId } = await polledBefore(t, { fetched })
      assert.deepEqual(await poll(all, { workerId: 'w2' }), [])
      assert.deepEqual(await poll(all), [jobId])
      assert.deepEqual(await poll(all), [])
      all.clock.now += 10 * MINUTE
      assert.equal(await all.cleanup.expire(), 0, 'it has its whole deadline')
      await download(all, jobId)
      assert.equal(await put(all, jobId, '# A'), 'completed')
      assert.equal(all.job(jobId).attempts.length, 1)
    })
  }

  test('and that polls no more has its job given to others after a minute, without counting', async (t) => {
    const { all, jobId } = await polledBefore(t, { fetched: false })
    all.clock.now += MINUTE - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(), 1)
    assert.deepEqual(ofJob(all, jobId), ['pending', 0, 'lost'])
    assert.deepEqual(await poll(all, { workerId: 'w2' }), [jobId])
    assert.match(String(all.job(jobId).attempts[0]?.errorMessage), /coordinator was restarted/)
  })

  test('whose result was refused meanwhile costs its attempt the grace, never an hour', async (t) => {
    const { all, jobId } = await polledBefore(t, { fetched: true })
    assert.deepEqual(await poll(all), [], 'it may be at work')
    all.clock.now += 5 * MINUTE - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(), 1)
    assert.deepEqual(ofJob(all, jobId), ['pending', 0, 'lost'])
    assert.deepEqual(await poll(all), [jobId])
  })

  test('may deliver late, while the job waits and while another has it', async (t) => {
    for (const isTaken of [false, true]) {
      const { all, jobId } = await polledBefore(t, { fetched: true })
      all.clock.now += 5 * MINUTE
      await all.cleanup.expire()
      if (isTaken) assert.deepEqual(ids(await all.claim({ workerId: 'w2' })), [jobId])
      assert.equal(await put(all, jobId, '# late'), 'completed')
      assert.equal(all.job(jobId).attempts[0]?.outcome, 'completed')
    }
  })

  test('and that begins to fetch again has its deadline', async (t) => {
    const { all, jobId } = await polledBefore(t, { fetched: true })
    await download(all, jobId, false)
    all.clock.now += 50 * MINUTE
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 10 * MINUTE
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).status, 'timeout')
  })

  test('and that says that it failed, as it could not reach us, costs no try, once', async (t) => {
    const { all, jobId } = await polledBefore(t, { fetched: true })
    assert.equal(await put(all, jobId, null), 'pending')
    assert.deepEqual(ofJob(all, jobId), ['pending', 0, 'failed'])
    assert.deepEqual(await poll(all), [jobId])
    await download(all, jobId)
    assert.equal(await put(all, jobId, null), 'pending')
    assert.deepEqual(ofJob(all, jobId), ['pending', 1, 'failed', 'failed'])
  })

  test('is not waited for longer the more restarts there are', async (t) => {
    const { all: first, jobId } = await polledBefore(t, { fetched: true })
    let all = first
    for (let minute = 0; minute < 5; minute += 1) {
      assert.equal(await all.cleanup.expire(), 0)
      all.clock.now += MINUTE
      all = await assembled(t, { over: all })
    }
    assert.equal(await all.cleanup.expire(), 0, 'it could not reach us at all')
    all.clock.now += MINUTE
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).status, 'pending')
  })

  test('does not run out of time while the coordinator is away', async (t) => {
    const before = await assembled(t)
    const jobId = await before.add()
    await poll(before)
    await download(before, jobId)
    before.clock.now += 3 * HOUR
    const all = await assembled(t, { over: before })
    all.clock.now += 5 * MINUTE - SECOND
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += SECOND
    await all.cleanup.expire()
    assert.equal(all.job(jobId).status, 'pending')
  })

  test('is waited for as long after a standstill or a set clock as before', async (t) => {
    const { all, jobId } = await polledBefore(t, { fetched: true })
    all.clock.now += 4 * MINUTE
    all.jobStore.terms.extend(4 * MINUTE)
    all.clock.now += HOUR
    all.jobStore.terms.step(HOUR)
    all.clock.now += 4 * MINUTE
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += MINUTE
    await all.cleanup.expire()
    assert.equal(all.job(jobId).status, 'pending')
  })

  test('loses no job to two silences in a row: they say nothing of the file', async (t) => {
    let { all, jobId } = await polledBefore(t, { fetched: true })
    for (let restart = 0; restart < 5; restart += 1) {
      all.clock.now += 5 * MINUTE
      await all.cleanup.expire()
      assert.deepEqual(await poll(all), [jobId])
      await download(all, jobId)
      all = await assembled(t, { over: all })
    }
    all.clock.now += 5 * MINUTE
    await all.cleanup.expire()
    await all.claim({ workerId: 'agent' })
    all.clock.now += MINUTE
    await all.cleanup.expire()
    assert.equal(all.job(jobId).status, 'pending')
    assert.equal(all.workers.setAsideOf('w1'), null)
  })
})

const ids = (jobs: { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId)

test('a lease is no matter of grace: its worker says after a restart that it is there', async (t) => {
  const before = await assembled(t)
  const jobId = await before.add()
  await before.claim()
  const all = await assembled(t, { over: before })
  const job = all.job(jobId)
  assert.ok(job.status === 'processing')
  assert.deepEqual([job.lease.graceUntilAt, job.lease.expiresAt], [null, all.clock.now + MINUTE])
})

test('the source is fetched once its last byte was sent, in one piece or in parts', async (t) => {
  const running = await startRunning(t)
  const isFetched = async (asked: { method?: string; range?: string }): Promise<() => boolean> => {
    const jobId = await createJob(running)
    const { body } = await running.ask('GET', '/remote-jobs/poll?worker_id=w1&content_types=audio')
    const route = String(body['source_file_url']).slice('/api/v1'.length)
    const headers = asked.range === undefined ? {} : { range: asked.range }
    await running.ask(asked.method ?? 'GET', route, { headers })
    const file = path.join(running.dataDir, 'processing', `${jobId}.json`)
    return () => !/"downloaded_at": null/.test(readFileSync(file, 'utf8'))
  }
  const found = [
    await isFetched({}),
    await isFetched({ range: 'bytes=5-' }),
    await isFetched({ range: 'bytes=0-4' }),
    await isFetched({ range: 'bytes=500-' }),
    await isFetched({ method: 'HEAD' }),
  ]
  await running.stop()
  assert.deepEqual(
    found.map((look) => look()),
    [true, true, false, false, false],
  )
})
