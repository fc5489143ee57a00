import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { receivedOf } from '../../coordinator/blobs/transcript-work.ts'
import { API_KEY_HOLDER } from '../../coordinator/access/principal.ts'
import { afterTry, again, startContinuation } from '../../coordinator/job/continuation.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { assembled, type Assembled } from './assembled.ts'
import { newJobId, NOON, pendingJob, result } from './example-jobs.ts'
import { claim, claimedJob, createJob, startRunning, until, notInFiles } from './running.ts'

const NOTHING = { expired: 0, removed: 0, freedBytes: 0 }
const BIG = 'x'.repeat(10_000)

async function completed(all: Assembled, content = '# A'): Promise<string> {
  const jobId = await all.add()
  await all.claim()
  const leaseToken = all.tokens.issue('lease', all.job(jobId), 1)
  await all.attempts.finish(
    jobId,
    receivedOf({ success: true, content, leaseToken }),
    API_KEY_HOLDER,
  )
  return jobId
}

async function cancelled(all: Assembled): Promise<string> {
  const jobId = await all.add()
  await all.jobs.apply(jobId, { type: 'cancel' })
  return jobId
}

describe('the sweep', () => {
  test('ends a lease, and not a moment before its term', async (t) => {
    const all = await assembled(t)
    const jobId = await all.add()
    await all.claim()
    all.clock.now = NOON + MINUTE - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(true), 1)
    assert.equal(all.job(jobId).status, 'processing')
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).status, 'pending')
    assert.equal(all.job(jobId).attempts[0]?.errorCode, 'worker_lost')
  })

  test('gives a worker without a lease its whole deadline, then the job has timed out', async (t) => {
    const all = await assembled(t)
    const jobId = await all.add()
    await all.claim({ claimId: null })
    all.clock.now = NOON + HOUR - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).status, 'timeout')
    assert.equal((await all.views.status(all.job(jobId))).errorCode, 'timeout')
  })

  test('lets the deadline of an attempt that waits for its slot rest, and its lease not', async (t) => {
    const all = await assembled(t, { policy: { leaseMs: 3 * HOUR } })
    const jobId = await all.add()
    await all.claim()
    const leaseToken = all.tokens.issue('lease', all.job(jobId), 1)
    await all.attempts.heartbeat(
      { jobId, leaseToken, stage: 'waiting', progress: 0 },
      API_KEY_HOLDER,
    )
    all.clock.now = NOON + 3 * HOUR - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(jobId).attempts[0]?.outcome, 'lost')
  })

  test('ends waits only when there is a limit to them', async (t) => {
    const all = await assembled(t)
    const jobId = await all.add()
    all.clock.now += 400 * DAY
    assert.equal(await all.cleanup.expire(), 0)
    const strict = await assembled(t, { policy: { queueLimitMs: HOUR } })
    const waiting = await strict.add()
    strict.clock.now += HOUR
    assert.equal(await strict.cleanup.expire(), 1)
    assert.equal(strict.job(waiting).status, 'timeout')
    assert.deepEqual(await strict.claim(), [])
    assert.equal(all.job(jobId).status, 'pending')
  })

  test('counts a wait from when the job came back, not from when it was made', async (t) => {
    const policy = { queueLimitMs: HOUR, deadlineMs: { default: DAY } }
    const all = await assembled(t, { policy })
    const [retried, lost] = [await all.add(), await all.add({ contentType: 'video' })]
    await all.jobs.apply(retried, { type: 'cancel' })
    await all.claim({ contentTypes: ['video'] })
    all.clock.now += 2 * HOUR
    await all.jobs.apply(retried, { type: 'retry', reserveFor: null })
    // The lease, and no wait.
    assert.equal(await all.cleanup.expire(), 1)
    assert.deepEqual(
      [retried, lost].map((jobId) => all.job(jobId).status),
      ['pending', 'pending'],
    )
    all.clock.now += HOUR - 1
    assert.equal(await all.cleanup.expire(), 0)
    all.clock.now += 1
    assert.equal(await all.cleanup.expire(), 1)
    assert.equal(all.job(retried).status, 'timeout')
    assert.equal(all.job(lost).status, 'pending', 'it had a pause before its next try')
  })

  test('goes on with the others when a job goes away under its hands', async (t) => {
    const all = await assembled(t, { policy: { queueLimitMs: HOUR } })
    const [one, two] = [await all.add(), await all.add()]
    all.clock.now += HOUR
    const resume = all.store.hold()
    const removing = all.jobs.remove(one, async () => 0)
    const sweeping = all.cleanup.expire()
    resume()
    await removing
    await sweeping
    assert.equal(all.job(two).status, 'timeout')
  })
})

describe('retention', () => {
  test('keeps completed jobs seven days and other ended ones thirty, and lets their files go with them', async (t) => {
    const all = await assembled(t)
    const done = await completed(all, BIG)
    const other = await cancelled(all)
    const waiting = await all.add()
    all.clock.now = NOON + 7 * DAY - 1
    assert.deepEqual(await all.cleanup.retire(), NOTHING)
    all.clock.now += 1
    const { removed, freedBytes } = await all.cleanup.retire()
    assert.equal(removed, 1)
    assert.ok(freedBytes > BIG.length)
    assert.equal(await all.jobs.find(done), undefined)
    assert.deepEqual(readdirSync(path.join(all.dir, 'results')), [])
    all.clock.now = NOON + 30 * DAY
    assert.equal((await all.cleanup.retire()).removed, 1)
    assert.equal(await all.jobs.find(other), undefined)
    assert.equal(all.job(waiting).status, 'pending')
  })

  test('without a limit removes nothing', async (t) => {
    const all = await assembled(t, {
      retention: { completedMs: null, failedMs: null, sourcesMs: null },
    })
    await completed(all)
    await cancelled(all)
    all.clock.now += 10_000 * DAY
    assert.deepEqual(await all.cleanup.retire(), NOTHING)
  })

  test('goes on with others while one takes long, and is over soon when the coordinator stops', async (t) => {
    const all = await assembled(t)
    for (let n = 0; n < 40; n += 1) await cancelled(all)
    all.clock.now += 30 * DAY
    const resume = all.store.hold()
    const stop = new AbortController()
    const retiring = all.cleanup.retire(stop.signal)
    await until(() => all.store.held > 1)
    stop.abort()
    const under = all.store.held
    resume()
    assert.equal((await retiring).removed, under)
    assert.equal(await countCancelled(all), 40 - under)
  })
})

describe('a job whose webhook is outstanding', () => {
  const kept = { completedMs: MINUTE, failedMs: MINUTE, sourcesMs: null }

  /** A job that has ended and is followed by one step, which `try` tries. */
  async function followed(
    t: TestContext,
  ): Promise<{ all: Assembled; jobId: string; tried: (done: boolean) => Promise<void> }> {
    const all = await assembled(t, {
      retention: kept,
      followUp: (job) => startContinuation('end-1', ['webhook'], job.completedAt),
    })
    const jobId = await cancelled(all)
    const tried = async (done: boolean): Promise<void> => {
      const how = { now: all.clock.now, random: 0 }
      const failed = { done, message: 'down', final: false, retryAfterMs: null }
      await all.jobs.follow(jobId, (now) =>
        afterTry(now, 'webhook', done ? { done } : { ...failed, done: false }, how),
      )
    }
    return { all, jobId, tried }
  }

  test('stays, and goes when it has been kept for its time after that', async (t) => {
    const { all, jobId, tried } = await followed(t)
    all.clock.now += HOUR
    assert.deepEqual(await all.cleanup.retire(), NOTHING)
    await tried(false)
    all.clock.now += HOUR
    const request = { expire: false, olderThanDays: 0, dryRun: false }
    assert.deepEqual(await all.cleanup.run(request), NOTHING)
    await tried(true)
    all.clock.now += MINUTE - 1
    assert.deepEqual(await all.cleanup.retire(), NOTHING)
    all.clock.now += 1
    assert.equal((await all.cleanup.retire()).removed, 1)
    assert.equal(await all.jobs.find(jobId), undefined)
  })

  test('goes when it has been given up', async (t) => {
    const { all, jobId, tried } = await followed(t)
    for (let n = 0; n < 10; n += 1) await tried(false)
    all.clock.now += MINUTE
    assert.equal((await all.cleanup.retire()).removed, 1)
    assert.equal(await all.jobs.find(jobId), undefined)
  })

  test('goes a week after it was last tried, or a receiver that takes nothing would fill the disk', async (t) => {
    const { all, tried } = await followed(t)
    all.clock.now += DAY
    await tried(false)
    all.clock.now += 7 * DAY - 1
    assert.deepEqual(await all.cleanup.retire(), NOTHING)
    all.clock.now += 1
    assert.equal((await all.cleanup.retire()).removed, 1)
  })

  test('stays when its webhook is due again while others are removed', async (t) => {
    const { all, jobId, tried } = await followed(t)
    await tried(true)
    all.clock.now += MINUTE
    const resume = all.store.hold()
    const retrying = all.jobs.follow(jobId, (now) => again(now, ['webhook'], all.clock.now))
    const retiring = all.cleanup.retire()
    resume()
    await retrying
    assert.equal((await retiring).removed, 0)
    assert.ok(await all.jobs.find(jobId))
  })
})

async function countCancelled({ jobStore }: Assembled): Promise<number> {
  return (await jobStore.list({ status: 'cancelled' }, 100)).jobs.length
}

const UPLOAD = { kind: 'upload', path: null, sha256: null, modifiedAt: null } as const

/** A job with an upload of six bytes, in the folder that is returned. */
async function uploaded(all: Assembled, jobId = newJobId()): Promise<[string, string]> {
  const folder = path.join(all.dir, 'sources', jobId)
  const source = { ...UPLOAD, filename: 'talk.mp3', sizeBytes: 6 }
  await all.jobs.create(jobId, async () => {
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'source'), 'speech')
    return pendingJob({ jobId, createdAt: NOON, source })
  })
  return [jobId, folder]
}

describe('a job’s files go in its turn', () => {
  test('a client that takes the id of a job that is being deleted keeps what it has sent', async (t) => {
    const all = await assembled(t)
    const [jobId, folder] = await uploaded(all)
    const removing = all.cleanup.remove(jobId)
    const [, again] = await Promise.all([removing, uploaded(all, jobId)])
    assert.deepEqual(again, [jobId, folder])
    assert.ok(existsSync(path.join(folder, 'source')))
  })

  test('a job that is brought back while uploads are dropped keeps its own', async (t) => {
    const all = await assembled(t, {
      retention: { completedMs: null, failedMs: null, sourcesMs: 0 },
    })
    const [jobId, folder] = await uploaded(all)
    await all.jobs.apply(jobId, { type: 'cancel' })
    const resume = all.store.hold()
    const retrying = all.jobs.apply(jobId, { type: 'retry', reserveFor: null })
    const retiring = all.cleanup.retire()
    await until(() => all.store.held === 1)
    // Long enough for a look into the folder, were nobody to wait for the turn.
    await readdir(path.join(all.dir, 'sources'))
    await readdir(path.join(all.dir, 'sources'))
    resume()
    await Promise.all([retrying, retiring])
    assert.equal(all.job(jobId).status, 'pending')
    assert.ok(existsSync(path.join(folder, 'source')))
  })
})

describe('retention where something fails', () => {
  /** A store that has room for a removal only once a file is gone. */
  function full(all: Assembled, file: string): void {
    const remove = all.store.remove
    all.store.remove = async (jobId) => {
      if (existsSync(file)) throw new AppError('no_space', 'No space is left.')
      await remove(jobId)
    }
  }

  test('frees a full disk: the files of an ended job make room for the line that removes it', async (t) => {
    const all = await assembled(t)
    const [jobId, folder] = await uploaded(all)
    await all.jobs.apply(jobId, { type: 'cancel' })
    full(all, folder)
    all.clock.now += 30 * DAY
    assert.deepEqual(await all.cleanup.retire(), { expired: 0, removed: 1, freedBytes: 6 })
    assert.equal(await all.jobs.find(jobId), undefined)
  })

  test('a job that still waits keeps its upload when there is no room to remove it', async (t) => {
    const all = await assembled(t)
    const [jobId, folder] = await uploaded(all)
    full(all, folder)
    await assert.rejects(all.cleanup.remove(jobId), { code: 'no_space' })
    assert.ok(existsSync(folder))
    assert.equal(all.job(jobId).status, 'pending')
  })

  test('goes on with the jobs behind one that cannot be removed, and says so', async (t) => {
    const all = await assembled(t)
    const [one, two, three] = [await cancelled(all), await cancelled(all), await cancelled(all)]
    const remove = all.store.remove
    all.store.remove = async (jobId) => {
      if (jobId === two) throw new Error('EIO')
      await remove(jobId)
    }
    all.clock.now += 30 * DAY
    await assert.rejects(all.cleanup.retire(), /EIO/)
    assert.deepEqual(
      [one, two, three].map((id) => all.find(id) !== undefined),
      [false, true, false],
    )
  })

  test('removes jobs also where the folder of uploads cannot be read', async (t) => {
    const all = await assembled(t, {
      retention: { completedMs: 0, failedMs: 0, sourcesMs: 0 },
    })
    const jobId = await cancelled(all)
    rmSync(path.join(all.dir, 'sources'), { recursive: true })
    await assert.rejects(all.cleanup.retire(), /ENOENT/)
    assert.equal(await all.jobs.find(jobId), undefined)
  })
})

describe('a cleanup', () => {
  const plain = { expire: false, dryRun: false }

  test('in a dry run says what it would do and does nothing', async (t) => {
    const all = await assembled(t)
    const done = await completed(all, BIG)
    await all.add()
    await all.claim()
    all.clock.now += MINUTE
    const request = { expire: true, olderThanDays: 0 }
    const would = await all.cleanup.run({ ...request, dryRun: true })
    assert.equal(would.expired, 1)
    assert.equal(would.removed, 1)
    assert.ok(would.freedBytes > BIG.length)
    assert.equal(all.job(done).status, 'completed')
    assert.equal((await all.jobStore.running()).length, 1)
    assert.deepEqual(await all.cleanup.run({ ...request, dryRun: false }), would)
    assert.equal(await all.jobs.find(done), undefined)
    assert.equal((await all.jobStore.waiting()).length, 1)
  })

  test('without a choice removes nothing, and expires only when asked to', async (t) => {
    const all = await assembled(t)
    await completed(all)
    await all.add()
    await all.claim()
    all.clock.now += MINUTE
    assert.deepEqual(await all.cleanup.run(plain), NOTHING)
    assert.deepEqual(await all.cleanup.run({ ...plain, expire: true }), {
      ...NOTHING,
      expired: 1,
    })
  })

  test('takes the statuses named, the age named, or both', async (t) => {
    const all = await assembled(t)
    const done = await completed(all)
    const old = await cancelled(all)
    all.clock.now += 2 * DAY
    const young = await cancelled(all)
    await all.cleanup.run({ ...plain, olderThanDays: 1, statuses: ['cancelled'] })
    assert.deepEqual(
      [done, old, young].map((id) => all.find(id) !== undefined),
      [true, false, true],
    )
    await all.cleanup.run({ ...plain, statuses: ['cancelled'] })
    assert.equal(await all.jobs.find(young), undefined)
    await all.cleanup.run({ ...plain, olderThanDays: 3 })
    assert.ok(await all.jobs.find(done))
    await all.cleanup.run({ ...plain, olderThanDays: 1.5 })
    assert.equal(await all.jobs.find(done), undefined)
  })

  test('beside another one counts each job once between them', async (t) => {
    const all = await assembled(t)
    for (let i = 0; i < 20; i += 1) await cancelled(all)
    const request = { ...plain, statuses: ['cancelled' as const] }
    const both = await Promise.all([all.cleanup.run(request), all.cleanup.run(request)])
    assert.equal(both[0].removed + both[1].removed, 20)
    assert.equal(await countCancelled(all), 0)
  })

  test('leaves a job that is retried meanwhile', async (t) => {
    const all = await assembled(t)
    const jobId = await cancelled(all)
    const resume = all.store.hold()
    const retrying = all.jobs.apply(jobId, { type: 'retry', reserveFor: null })
    const cleaning = all.cleanup.run({ ...plain, statuses: ['cancelled'] })
    resume()
    await retrying
    assert.equal((await cleaning).removed, 0)
    assert.equal(all.job(jobId).status, 'pending')
  })
})

test('removing a job in work is a conflict, an unknown one not found', async (t) => {
  const all = await assembled(t)
  const jobId = await all.add()
  await all.claim()
  const coded = (code: string) => (error: unknown) =>
    error instanceof AppError && error.code === code
  await assert.rejects(all.cleanup.remove(jobId), coded('conflict'))
  await assert.rejects(all.cleanup.remove('nothing'), coded('not_found'))
})

test(
  'uploads and results that belong to no job go at the start, those of quarantined jobs stay',
  { skip: notInFiles },
  async (t) => {
    const running = await startRunning(t)
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('file', new File(['speech'], 'a.mp3'))
    await (await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })).text()
    const [job] = await claim(running)
    await running.stop()
    const { dataDir, root } = running
    const orphan = '00000000-0000-4000-8000-00000000000a'
    const aside = '00000000-0000-4000-8000-00000000000b'
    for (const id of [orphan, aside]) {
      mkdirSync(path.join(dataDir, 'sources', id))
      writeFileSync(path.join(dataDir, 'sources', id, 'source'), 'x')
      writeFileSync(path.join(dataDir, 'results', `${id}.json`), '{}')
    }
    writeFileSync(path.join(dataDir, 'pending', `${aside}.json`), 'no JSON')
    writeFileSync(path.join(dataDir, 'results', `${job!.job_id}.xyz.tmp`), 'half')
    writeFileSync(path.join(dataDir, 'sources', '.incoming', 'half'), 'half')
    const again = await startRunning(t, { root })
    const sources = readdirSync(path.join(dataDir, 'sources')).toSorted()
    assert.deepEqual(sources, ['.incoming', aside, job!.job_id].toSorted())
    assert.deepEqual(readdirSync(path.join(dataDir, 'sources', '.incoming')), [])
    assert.deepEqual(readdirSync(path.join(dataDir, 'results')), [`${aside}.json`])
    assert.equal((await again.ask('GET', '/health')).body['quarantined'], 1)
  },
)

test('a running coordinator sweeps by itself', async (t) => {
  const running = await startRunning(t, {
    policy: {
      leaseMs: 50,
      stallMs: MINUTE,
      deadlineMs: { default: HOUR },
      deadlineFactor: 4,
      queueLimitMs: null,
      originalGraceMs: MINUTE,
    },
    retention: { completedMs: 0, failedMs: 0, sourcesMs: null },
  })
  const old = await createJob(running, { content_type: 'video' })
  await running.ask('POST', `/remote-jobs/${old}/cancel`)
  const job = await claimedJob(running)
  await until(async () => {
    const lost = await running.ask('GET', `/remote-jobs/${job.job_id}/status`)
    return lost.body['status'] === 'pending'
  })
  await until(async () => (await running.ask('GET', `/remote-jobs/${old}`)).status === 404)
})

test(
  'after a restart every lease and deadline has a full fresh term',
  { skip: notInFiles },
  async (t) => {
    const policy = {
      leaseMs: 500,
      stallMs: HOUR,
      deadlineMs: { default: HOUR },
      deadlineFactor: 4,
      queueLimitMs: null,
      originalGraceMs: MINUTE,
    }
    const running = await startRunning(t, { policy })
    const job = await claimedJob(running)
    await running.stop()
    const again = await startRunning(t, {
      root: running.root,
      policy: { ...policy, leaseMs: MINUTE },
    })
    const { body } = await again.ask('GET', `/remote-jobs/${job.job_id}`)
    const lease = body['lease'] as { expires_at: string; deadline_at: string }
    assert.ok(Date.parse(lease.expires_at) > Date.now() + 55 * SECOND)
    assert.ok(Date.parse(lease.deadline_at) > Date.now() + 55 * MINUTE)
  },
)

describe('DELETE /remote-jobs/{id} and cleanup over HTTP', () => {
  test('a delete frees the job’s files and says how much', async (t) => {
    const running = await startRunning(t)
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('file', new File(['speech'], 'a.mp3'))
    await (await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })).text()
    const [job] = await claim(running)
    const route = `/remote-jobs/${job!.job_id}`
    const busy = await running.ask('DELETE', route)
    assert.deepEqual([busy.status, busy.body['code']], [409, 'conflict'])
    await running.ask('POST', `${route}/cancel`)
    const { status, body } = await running.ask('DELETE', route)
    assert.equal(status, 200)
    assert.deepEqual(body, { job_id: job!.job_id, removed: true, freed_bytes: 6 })
    assert.ok(!existsSync(path.join(running.dataDir, 'sources', job!.job_id)))
    assert.equal((await running.ask('GET', route)).status, 404)
    assert.equal((await running.ask('DELETE', route)).status, 404)
  })

  test('a delete leaves a file that was named by its path', async (t) => {
    const running = await startRunning(t)
    const file = running.file('mine.mp3')
    const id = await createJob(running, { source_file_path: file })
    const { body } = await running.ask('DELETE', `/remote-jobs/${id}`)
    assert.equal(body['freed_bytes'], 0)
    assert.ok(existsSync(file))
    assert.deepEqual(await claim(running), [])
  })

  test('a cleanup answers its counts, may come without a body, and refuses what it does not know', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    await running.ask('POST', `/remote-jobs/${id}/cancel`)
    const none = await running.ask('POST', '/remote-jobs/cleanup')
    assert.deepEqual(none.body, { expired: 0, removed: 0, freed_bytes: 0 })
    const json = { statuses: ['cancelled'], older_than_days: 0 }
    const dry = await running.ask('POST', '/remote-jobs/cleanup', {
      json: { ...json, dry_run: true },
    })
    assert.equal(dry.body['removed'], 1)
    assert.equal((await running.ask('GET', `/remote-jobs/${id}`)).status, 200)
    assert.equal((await running.ask('POST', '/remote-jobs/cleanup', { json })).body['removed'], 1)
    for (const wrong of [{ statuses: ['pending'] }, { older_than_days: -1 }, { dry_run: 'yes' }])
      assert.equal((await running.ask('POST', '/remote-jobs/cleanup', { json: wrong })).status, 422)
  })
})

test('uploads go once their jobs have completed, or some time after the end, as is set', async (t) => {
  for (const [sourcesMs, left] of [
    [null, ['completed', 'failed']],
    ['on-success', ['failed']],
    [0, []],
  ] as const) {
    const scene = await assembled(t, {
      retention: { completedMs: null, failedMs: null, sourcesMs },
    })
    const source = { ...UPLOAD, filename: 'talk.mp3', sizeBytes: 6 }
    const kept = new Map<string, string>()
    for (const ending of ['completed', 'failed'] as const) {
      const jobId = await scene.add({ source })
      const folder = path.join(scene.dir, 'sources', jobId)
      mkdirSync(folder)
      writeFileSync(path.join(folder, 'source'), 'speech')
      const [job] = await scene.claim()
      const attempt = job!.attempts.at(-1)!.number
      const failure = { code: 'no_audio', message: 'none', retryable: false }
      const event =
        ending === 'completed'
          ? ({ type: 'succeed', attempt, result: result() } as const)
          : ({ type: 'fail', attempt, ...failure } as const)
      await scene.jobs.apply(jobId, event)
      kept.set(jobId, ending)
    }
    await scene.cleanup.retire()
    const ids = readdirSync(path.join(scene.dir, 'sources')).filter((id) => kept.has(id))
    assert.deepEqual(new Set(ids.map((id) => kept.get(id))), new Set(left))
  }
})
