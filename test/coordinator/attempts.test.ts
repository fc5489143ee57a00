import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { receivedOf } from '../../coordinator/blobs/transcript-work.ts'
import { fetching } from '../../coordinator/job/lease.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { API_KEY_HOLDER } from '../../coordinator/access/principal.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { assembled, type Assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  type Answer,
  type Claimed,
  type Running,
} from './running.ts'

const KIB = 1024

/** A job that `w1` holds, with what its agent would send. */
async function held(all: Assembled): Promise<{
  jobId: string
  beat: (more?: object) => Promise<string>
  finish: (more?: object) => Promise<string>
  token: string
}> {
  const jobId = await all.add()
  await all.claim()
  const token = all.tokens.issue('lease', all.job(jobId), all.job(jobId).attempts.length)
  const first = { jobId, leaseToken: token, stage: 'transcribe', progress: 0 }
  return {
    jobId,
    token,
    beat: async (more) =>
      (await all.attempts.heartbeat({ ...first, ...more }, API_KEY_HOLDER)).order,
    finish: async (more) =>
      (
        await all.attempts.finish(
          jobId,
          receivedOf({ success: true, content: '# A', leaseToken: token, ...more }),
          API_KEY_HOLDER,
        )
      ).status,
  }
}

function coded(code: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, code)
    return true
  }
}

describe('a heartbeat', () => {
  test('gives the lease a full new term, and progress shows', async (t) => {
    const all = await assembled(t)
    const { jobId, beat } = await held(all)
    all.clock.now += 59 * SECOND
    assert.equal(await beat({ progress: 0.25 }), 'continue')
    all.clock.now += 59 * SECOND
    assert.equal(await all.cleanup.expire(), 0)
    const status = await all.views.status(all.job(jobId))
    assert.deepEqual([status.stage, status.progress], ['transcribe', 0.25])
    all.clock.now += SECOND
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).status, 'pending')
    assert.equal(await beat({ progress: 0.5 }), 'lost')
  })

  test('with an unknown job or a token that is none is lost', async (t) => {
    const all = await assembled(t)
    const { beat } = await held(all)
    const other = await held(all)
    assert.equal(await beat({ leaseToken: 'nonsense' }), 'lost')
    assert.equal(await beat({ leaseToken: other.token }), 'lost')
    assert.equal(await beat({ jobId: '00000000-0000-4000-8000-ffffffffffff' }), 'lost')
    assert.equal(await beat({ jobId: '../../etc/passwd' }), 'lost')
  })

  test('tells of a cancelled job to cancel, of one that another completed that it is superseded', async (t) => {
    const all = await assembled(t)
    const one = await held(all)
    await all.jobs.apply(one.jobId, { type: 'cancel' })
    assert.equal(await one.beat(), 'cancel')

    const two = await held(all)
    await all.jobs.apply(two.jobId, { type: 'retry', reserveFor: 'w2' })
    assert.equal(await two.beat(), 'lost')
    await all.claim({ workerId: 'w2' })
    assert.equal(await two.beat(), 'lost')
    const second = all.tokens.issue('lease', all.job(two.jobId), 2)
    assert.equal(await two.beat({ leaseToken: second }), 'continue')
    assert.equal(await two.finish(), 'completed')
    assert.equal(await two.beat({ leaseToken: second }), 'superseded')
  })

  test('without progress for ten minutes ends the attempt as stalled, to be tried again', async (t) => {
    const all = await assembled(t)
    const { jobId, beat } = await held(all)
    assert.equal(await beat({ progress: 0.5 }), 'continue')
    for (let minute = 0; minute < 10; minute += 1) {
      assert.equal(await beat({ progress: 0.5 }), 'continue')
      all.clock.now += MINUTE
    }
    assert.equal(await beat({ progress: 0.5 }), 'lost')
    const job = all.job(jobId)
    assert.equal(job.status, 'pending')
    assert.equal(job.attempts[0]?.errorCode, 'stalled')
  })

  test('that expects no progress is no stall for as long as it says so', async (t) => {
    const all = await assembled(t)
    const { beat } = await held(all)
    for (let minute = 0; minute < 50; minute += 1) {
      assert.equal(await beat({ quietSeconds: 3_600 - 60 * minute }), 'continue')
      all.clock.now += MINUTE
    }
    for (let minute = 1; minute < 10; minute += 1) {
      assert.equal(await beat({ quietSeconds: minute % 2 === 0 ? 0 : null }), 'continue')
      all.clock.now += MINUTE
    }
    assert.equal(await beat(), 'lost', 'its deadline has not passed')
  })

  test('whose seconds processed or download move is no stall', async (t) => {
    const all = await assembled(t)
    const { jobId, beat } = await held(all)
    await beat({ processedSeconds: 1 })
    all.clock.now += 9 * MINUTE
    await beat({ processedSeconds: 2 })
    all.clock.now += 9 * MINUTE
    assert.equal(await beat({ processedSeconds: 2 }), 'continue')
    await all.jobs.changeLease(jobId, 1, fetching)
    all.clock.now += 9 * MINUTE
    assert.equal(await beat({ processedSeconds: 2 }), 'continue')
    all.clock.now += MINUTE
    assert.equal(await beat({ processedSeconds: 2 }), 'lost')
  })

  test('that says how long the recording is moves the deadline to four times that', async (t) => {
    const all = await assembled(t)
    const { jobId, beat } = await held(all)
    await beat({ mediaSeconds: 5 * 3_600 })
    const { lease } = await all.views.detail(all.job(jobId))
    assert.equal(lease?.deadlineAt, NOON + 20 * 60 * MINUTE)
    await beat({ mediaSeconds: null, processedSeconds: 17 })
    const later = (await all.views.detail(all.job(jobId))).lease
    assert.equal(later?.deadlineAt, NOON + 20 * 60 * MINUTE)
    assert.equal(later?.processedSeconds, 17)
  })
})

describe('a lease token of a job that is gone', () => {
  test('is nothing to the job that has its id now', async (t) => {
    const running = await startRunning(t)
    const make = async (name: string): Promise<string> => {
      const { body } = await running.ask('POST', '/remote-jobs', {
        json: {
          source_file_path: running.file(name),
          content_type: 'audio',
          ingestion_task_id: name,
        },
        headers: { 'idempotency-key': 'one key' },
      })
      return String(body['job_id'])
    }
    const jobId = await make('first.mp3')
    const [first] = await claim(running, { worker_id: 'gpu-1' })
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    await running.ask('DELETE', `/remote-jobs/${jobId}`)
    assert.equal(await make('second.mp3'), jobId)
    const [second] = await claim(running, { worker_id: 'gpu-2' })
    const finish = async ({ lease_token }: Claimed, content: string): Promise<Answer> =>
      await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
        json: { success: true, content, lease_token },
      })
    const late = await finish(first!, 'the words of the first')
    assert.deepEqual([late.status, late.body['code']], [409, 'lease_lost'])
    const source = await running.ask('GET', `/remote-jobs/${jobId}/download`, {
      headers: { 'morag-lease': first!.lease_token },
    })
    assert.equal(source.status, 403)
    assert.equal((await finish(second!, 'the words of the second')).status, 200)
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
    assert.equal(body['content'], 'the words of the second')
  })
})

describe('a result', () => {
  test('sent again is the same answer again', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    assert.equal(await finish(), 'completed')
    const first = all.job(jobId)
    assert.equal(await finish(), 'completed')
    assert.equal(all.job(jobId), first)
    assert.deepEqual(await all.files.artifacts.list(jobId), [])
  })

  test('that differs, of the attempt that completed the job, is a conflict and kept as an artifact', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    await finish()
    const first = all.job(jobId)
    const another = { content: 'another', metadata: { aKey: 1 }, processingTime: 2 }
    for (const _ of ['first', 'again']) {
      await assert.rejects(finish(another), (error) => {
        assert.match(String(error), /another result.* kept as its artifact late-result-1-\w+\.json/)
        return coded('conflict')(error)
      })
    }
    assert.equal(all.job(jobId), first)
    const [late, ...others] = await all.files.artifacts.list(jobId)
    assert.deepEqual(others, [])
    const file = path.join(all.dir, 'artifacts', jobId, late!.name)
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
      attempt: 1,
      worker_id: 'w1',
      received_at: new Date(NOON).toISOString(),
      content: 'another',
      metadata: { aKey: 1 },
      processing_time: 2,
    })
    assert.equal(statSync(file).mode & 0o077, 0)
  })

  test('that differs is kept ten times, and then no more', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    await finish()
    for (let i = 0; i < 10; i += 1) {
      await assert.rejects(finish({ content: `another ${i}` }), /is kept as/)
    }
    await assert.rejects(finish({ content: 'one more' }), (error) => {
      assert.match(String(error), /is not kept: 10 others are/)
      return coded('conflict')(error)
    })
    assert.equal((await all.files.artifacts.list(jobId)).length, 10)
    await assert.rejects(finish({ content: 'another 3' }), /is kept as/)
  })

  test('that differs, of an attempt that did not complete the job, is a conflict', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    await all.jobs.apply(jobId, { type: 'retry', reserveFor: 'w2' })
    await all.claim({ workerId: 'w2' })
    const leaseToken = all.tokens.issue('lease', all.job(jobId), 2)
    assert.equal(await finish({ leaseToken, content: 'theirs' }), 'completed')
    assert.equal(await finish({ content: 'theirs' }), 'completed')
    await assert.rejects(finish({ content: 'mine' }), coded('conflict'))
    const body = await all.files.transcripts.text(completed(all, jobId))
    assert.equal(body, 'theirs')
  })

  test('that comes late from an attempt given up is taken, and the newer one stopped', async (t) => {
    const all = await assembled(t)
    const { finish, jobId, beat } = await held(all)
    all.clock.now += MINUTE
    await all.cleanup.expire()
    all.clock.now += 15 * SECOND
    await all.claim({ workerId: 'w2' })
    assert.equal(await finish(), 'completed')
    assert.deepEqual(
      all.job(jobId).attempts.map(({ outcome }) => outcome),
      ['completed', 'superseded'],
    )
    const leaseToken = all.tokens.issue('lease', all.job(jobId), 2)
    assert.equal(await beat({ leaseToken }), 'superseded')
    assert.equal(await finish({ leaseToken }), 'completed')
    await assert.rejects(finish({ leaseToken, content: 'other' }), coded('conflict'))
  })

  test('that comes while the job waits for its retry takes it from the queue', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    all.clock.now += MINUTE
    await all.cleanup.expire()
    assert.equal(await finish(), 'completed')
    all.clock.now += 60 * MINUTE
    assert.deepEqual(await all.claim(), [])
    assert.equal(all.job(jobId).status, 'completed')
  })

  test('of a cancelled job, or with a token of another job, is refused', async (t) => {
    const all = await assembled(t)
    const one = await held(all)
    const two = await held(all)
    await assert.rejects(one.finish({ leaseToken: two.token }), coded('lease_lost'))
    await assert.rejects(one.finish({ leaseToken: 'nonsense' }), coded('lease_lost'))
    await assert.rejects(one.finish({ leaseToken: null }), coded('lease_lost'))
    const download = all.tokens.issue('download', all.job(one.jobId), 1)
    await assert.rejects(one.finish({ leaseToken: download }), coded('lease_lost'))
    await all.jobs.apply(one.jobId, { type: 'cancel' })
    await assert.rejects(one.finish(), coded('lease_lost'))
  })
})

describe('a failure', () => {
  const failure = { success: false, errorCode: 'engine_failed', errorMessage: 'it broke' }

  test('is tried again after a backoff, three times, then it is final', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    assert.equal(await finish(failure), 'pending')
    for (const [attempt, wait] of [
      [2, 11.25],
      [3, 22.5],
      [4, 45],
    ] as const) {
      const job = all.job(jobId)
      assert.equal('availableAt' in job && job.availableAt, all.clock.now + wait * SECOND)
      all.clock.now += wait * SECOND - 1
      assert.deepEqual(await all.claim(), [])
      all.clock.now += 1
      const [again] = await all.claim()
      assert.equal(again?.attempts.at(-1)?.number, attempt)
      const leaseToken = all.tokens.issue('lease', all.job(jobId), attempt)
      assert.equal(await finish({ ...failure, leaseToken }), attempt < 4 ? 'pending' : 'failed')
    }
    const status = await all.views.status(all.job(jobId))
    assert.deepEqual([status.errorCode, status.errorMessage], ['engine_failed', 'it broke'])
    assert.equal(status.retryCount, 3)
    assert.equal(status.attempt, 4)
  })

  for (const [what, more] of [
    ['whose code is permanent', { errorCode: 'invalid_media' }],
    ['that says it is not retryable', { retryable: false }],
    ['whose code is permanent, whatever it says', { errorCode: 'no_audio', retryable: true }],
  ] as const) {
    test(`${what} is final at once`, async (t) => {
      const all = await assembled(t)
      const { finish, jobId } = await held(all)
      assert.equal(await finish({ ...failure, ...more }), 'failed')
      assert.equal(all.job(jobId).retryCount, 0)
    })
  }

  test('of an unknown code or without one is tried again', async (t) => {
    const all = await assembled(t)
    assert.equal(await (await held(all)).finish({ success: false }), 'pending')
    assert.equal(await (await held(all)).finish({ ...failure, errorCode: 'odd' }), 'pending')
  })

  test('sent again is the same answer again; of an attempt that is over it is refused', async (t) => {
    const all = await assembled(t)
    const { finish, jobId } = await held(all)
    await finish(failure)
    const before = all.job(jobId)
    assert.equal(await finish(failure), 'pending')
    assert.equal(all.job(jobId), before)
    all.clock.now += MINUTE
    await all.claim({ workerId: 'w2' })
    await assert.rejects(finish(failure), coded('lease_lost'))
    assert.equal(all.job(jobId).status, 'processing')
  })
})

test('a download that begins is news of the attempt: a worker that polls again does not get it again', async (t) => {
  const all = await assembled(t)
  const jobId = await all.add()
  const poll = { claimId: null }
  await all.claim(poll)
  all.clock.now += 30 * SECOND
  assert.equal((await all.claim(poll)).length, 1)
  const token = all.tokens.issue('download', all.job(jobId), 1)
  await assert.rejects(
    all.attempts.mayDownload(all.job(jobId), { lease: null, query: 'odd' }, API_KEY_HOLDER),
    coded('forbidden'),
  )
  assert.equal((await all.claim(poll)).length, 1)
  await all.attempts.mayDownload(all.job(jobId), { lease: null, query: token }, API_KEY_HOLDER)
  assert.deepEqual(await all.claim(poll), [])
})

describe('giving an attempt back', () => {
  test('puts the job into the queue at once and counts no retry; again is the same', async (t) => {
    const all = await assembled(t)
    const { jobId, token, beat, finish } = await held(all)
    await all.attempts.release(jobId, token, API_KEY_HOLDER)
    await all.attempts.release(jobId, token, API_KEY_HOLDER)
    assert.equal(all.job(jobId).retryCount, 0)
    assert.equal(await beat(), 'lost')
    const [again] = await all.claim({ workerId: 'w2' })
    assert.equal(again?.jobId, jobId)
    await assert.rejects(all.attempts.release(jobId, token, API_KEY_HOLDER), coded('lease_lost'))
    await assert.rejects(
      all.attempts.release(jobId, 'nonsense', API_KEY_HOLDER),
      coded('lease_lost'),
    )
    await assert.rejects(finish({ success: false }), coded('lease_lost'))
  })
})

describe('over HTTP', () => {
  const result = async (running: Running, job: Claimed, json: object): Promise<Answer> =>
    await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, {
      json: { lease_token: job.lease_token, ...json },
    })
  const beats = async (running: Running, jobs: unknown, more: object = {}): Promise<Answer> =>
    await running.ask('POST', '/workers/w1/heartbeat', {
      json: { state: 'running', version: '1', slots: 2, jobs, ...more },
    })

  test('one heartbeat renews several leases and brings back an order for each, and what its worker is to do', async (t) => {
    const running = await startRunning(t)
    const [one, two] = [await claimedJob(running), await claimedJob(running)]
    await running.ask('POST', `/remote-jobs/${two.job_id}/cancel`)
    const beat = { stage: 'download', progress: 0.5, unknown_key: 1 }
    const { status, body } = await beats(
      running,
      [one, two].map(({ job_id, lease_token }) => ({ job_id, lease_token, ...beat })),
      { device: 'a GPU' },
    )
    assert.equal(status, 200)
    assert.deepEqual(body, {
      directive: 'run',
      heartbeat_seconds: 20,
      jobs: [
        { job_id: one.job_id, order: 'continue', lease_seconds: 60 },
        { job_id: two.job_id, order: 'cancel', lease_seconds: 60 },
      ],
    })
    const seen = await running.ask('GET', `/remote-jobs/${one.job_id}/status`)
    assert.deepEqual([seen.body['stage'], seen.body['progress']], ['download', 0.5])
    await running.ask('POST', '/workers/w1/drain')
    assert.equal((await beats(running, [])).body['directive'], 'drain')
    await running.ask('POST', '/workers/w1/resume')
    assert.equal((await beats(running, [])).body['directive'], 'run')
  })

  test('a heartbeat that does not fit is a 422 that names the place', async (t) => {
    const running = await startRunning(t)
    const job = { job_id: 'x', lease_token: 'y', stage: 's', progress: 1.5 }
    const { status, body } = await beats(running, [job], { state: 'asleep' })
    assert.equal(status, 422)
    const places = (body['detail'] as { loc: unknown[] }[]).map(({ loc }) => loc.join('.'))
    assert.deepEqual(places, ['body.state', 'body.jobs.0.progress'])
  })

  test('a result of an agent is answered like that of any worker', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const answer = await result(running, job, { success: true, content: '# A' })
    assert.deepEqual(
      [answer.status, answer.body],
      [200, { status: 'completed', ingestion_continued: false }],
    )
    const stale = await claimedJob(running)
    await running.ask('POST', `/remote-jobs/${stale.job_id}/cancel`)
    const late = await result(running, stale, { success: false, error_code: 'internal' })
    assert.deepEqual([late.status, late.body['code']], [409, 'lease_lost'])
  })

  test('a wrong token is refused and leaves the job as it is', async (t) => {
    const running = await startRunning(t)
    const [one, two] = [await claimedJob(running), await claimedJob(running)]
    const crossed = { ...one, lease_token: two.lease_token }
    const { status, body, text } = await result(running, crossed, { success: true })
    assert.deepEqual([status, body['code']], [409, 'lease_lost'])
    assert.ok(!text.includes(two.lease_token))
    const release = await running.ask('POST', `/remote-jobs/${one.job_id}/release`, {
      json: { lease_token: two.lease_token },
    })
    assert.equal(release.status, 409)
    const { body: after } = await running.ask('GET', `/remote-jobs/${one.job_id}/status`)
    assert.equal(after['status'], 'processing')
  })

  test('release answers the status, and needs its token', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const route = `/remote-jobs/${job.job_id}/release`
    assert.equal((await running.ask('POST', route, { json: {} })).status, 422)
    const { status, body } = await running.ask('POST', route, {
      json: { lease_token: job.lease_token },
    })
    assert.deepEqual([status, body['status'], body['retry_count']], [200, 'pending', 0])
  })

  for (const [size, where] of [
    [2 * KIB, 'in the job’s own file'],
    [5 * KIB, 'in a file of its own'],
    [5 * KIB * KIB, 'in a file of its own'],
  ] as const) {
    test(`a result of ${size} characters is kept ${where} and is there after a restart`, async (t) => {
      const running = await startRunning(t)
      const job = await claimedJob(running)
      const content = '– ä 日 '.repeat(size / 6)
      const metadata = { duration: 5, segments: [{ start: 0, end: 1, text: 'Hello' }], camelKey: 1 }
      const json = { success: true, content, metadata, processing_time: 3 }
      assert.equal((await result(running, job, json)).status, 200)
      const files = readdirSync(path.join(running.dataDir, 'results'))
      assert.deepEqual(files, size < 4 * KIB ? [] : [`${job.job_id}.json`])
      await running.stop()
      const again = await startRunning(t, { root: running.root })
      const { body } = await again.ask('GET', `/remote-jobs/${job.job_id}/result`)
      assert.deepEqual(body, { job_id: job.job_id, content, metadata, processing_time: 3 })
      const repeated = await result(again, job, json)
      assert.deepEqual([repeated.status, repeated.body['status']], [200, 'completed'])
    })
  }

  test('a running attempt keeps its token, its file and its claim across a restart', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const [again] = await claim(running, { claim_id: 'known' })
    assert.equal(again, undefined)
    await createJob(running)
    const [second] = await claim(running, { claim_id: 'known' })
    await running.stop()
    const later = await startRunning(t, { root: running.root })
    const { body } = await beats(later, [
      { job_id: job.job_id, lease_token: job.lease_token, stage: 's', progress: 0.5 },
    ])
    assert.equal((body['jobs'] as { order: string }[])[0]?.order, 'continue')
    const headers = { 'morag-lease': job.lease_token }
    const file = await later.ask('GET', `/remote-jobs/${job.job_id}/download`, { headers })
    assert.equal(file.text, 'the bytes of talk.mp3')
    const [replayed] = await claim(later, { claim_id: 'known' })
    assert.equal(replayed?.lease_token, second?.lease_token)
    assert.equal((await result(later, job, { success: true })).body['status'], 'completed')
  })
})

function completed(all: Assembled, jobId: string) {
  const job = all.job(jobId)
  assert.ok(job.status === 'completed')
  return job
}

test('a download is refused to an attempt that ends while the call waits for its turn', async (t) => {
  const all = await assembled(t)
  const jobId = await all.add()
  const [job] = await all.claim()
  const lease = all.tokens.issue('lease', job!, 1)
  const resume = all.store.hold()
  const cancelling = all.jobs.apply(jobId, { type: 'cancel' })
  const asked = all.attempts.mayDownload(all.job(jobId), { lease, query: null }, API_KEY_HOLDER)
  const refused = assert.rejects(asked, { code: 'forbidden' })
  resume()
  await cancelling
  await refused
})

describe('the begin and the end of a wait for a slot', () => {
  /** What of the job's lease is on the disk. */
  function written(all: Assembled): { waits: boolean; waitedMs: number }[] {
    const found: { waits: boolean; waitedMs: number }[] = []
    const { put } = all.store
    all.store.put = async (job) => {
      await put(job)
      if (job.status !== 'processing') return
      const { waitingSinceAt, waitedMs } = job.lease
      found.push({ waits: waitingSinceAt !== null, waitedMs })
    }
    return found
  }

  test('that cannot be written is logged once, and written with a later heartbeat', async (t) => {
    const all = await assembled(t)
    const { beat } = await held(all)
    const disk = written(all)
    all.store.isRefused = () => true
    for (const stage of ['waiting', 'waiting', 'waiting']) {
      assert.equal(await beat({ stage }), 'continue')
      all.clock.now += 10 * SECOND
    }
    const told = all.logged.filter((line) =>
      /failed to persist the lease of a running attempt/.test(line),
    )
    assert.equal(told.length, 1, told.join(''))
    assert.equal((JSON.parse(told[0]!) as { code: string }).code, 'no_space')
    all.store.isRefused = () => false
    await beat({ stage: 'waiting' })
    await beat({ stage: 'waiting' })
    assert.deepEqual(disk, [{ waits: true, waitedMs: 30 * SECOND }])
    all.store.isRefused = () => true
    all.clock.now += 10 * SECOND
    await beat({ stage: 'transcribe' })
    all.store.isRefused = () => false
    await beat({ stage: 'transcribe', progress: 0.5 })
    await beat({ stage: 'transcribe', progress: 0.6 })
    assert.deepEqual(disk.slice(1), [{ waits: false, waitedMs: 40 * SECOND }])
    assert.equal(
      all.logged.filter((line) => /leases? of (a )?running attempt/.test(line)).length,
      4,
    )
  })

  test('that was never written needs no later heartbeat once the job is no longer held', async (t) => {
    const all = await assembled(t)
    const { beat, finish } = await held(all)
    all.store.isRefused = () => true
    await beat({ stage: 'waiting' })
    all.store.isRefused = () => false
    assert.equal(await finish(), 'completed')
    assert.equal(await beat({ stage: 'waiting' }), 'superseded')
  })
})

/** Gives the data folder to another. */
async function lose(all: Assembled): Promise<JobTable> {
  rmSync(path.join(all.dir, 'lock'))
  const settings = { dir: all.dir, now: () => NOON, journalBytes: 1e9, onError: () => undefined }
  return await JobTable.open(settings)
}

test('where the data folder has become another coordinator’s, nothing that comes with an attempt touches its files', async (t) => {
  const all = await assembled(t, { retention: { completedMs: null, failedMs: null, sourcesMs: 0 } })
  const { jobId, token, beat, finish } = await held(all)
  const ended = await held(all)
  await ended.finish()
  const upload = path.join(all.dir, 'sources', ended.jobId)
  mkdirSync(upload)
  const other = await lose(all)
  const gone = { code: 'unavailable' }
  await assert.rejects(all.attempts.mayUpload(jobId, token, API_KEY_HOLDER), gone)
  await assert.rejects(ended.finish({ content: 'another text' }), gone)
  await assert.rejects(all.cleanup.retire(), gone)
  assert.ok(existsSync(upload))
  assert.equal(await beat({ checkpoint: { at: 5 } }), 'continue')
  await all.files.checkpoints.settled()
  await assert.rejects(finish(), gone)
  for (const name of ['checkpoints', 'artifacts'])
    assert.deepEqual(
      readdirSync(path.join(all.dir, name)).filter((one) => one !== '.incoming'),
      [],
    )
  await other.close()
})

test("a result that comes where the data folder has become another coordinator's leaves the files there as they are", async (t) => {
  const all = await assembled(t)
  const { jobId, finish } = await held(all)
  const other = await lose(all)
  await assert.rejects(finish({ content: 'x'.repeat(100 * KIB) }), { code: 'unavailable' })
  assert.deepEqual(readdirSync(path.join(all.dir, 'results')), [])
  assert.equal(other.get(jobId)?.status, 'processing')
  await other.close()
})
