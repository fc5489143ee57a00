import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Context } from 'hono'
import { callerGone, type Env } from '../../coordinator/routes/http.ts'
import { lastAttempt } from '../../coordinator/job/job.ts'
import { fetching } from '../../coordinator/job/lease.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import type { Job } from '../../coordinator/job/job.ts'
import { AppError } from '../../shared/errors.ts'
import { assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { claim, createJob, startRunning, until, type Claimed, type Running } from './running.ts'

const LONG = { waitMs: 60 * SECOND }
const POLL = { claimId: null }

const ids = (jobs: { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId)

describe('which job is given', () => {
  test('also one whose claim was refused before: the next job finds a waiting call for each', async (t) => {
    const { add, claim: take, claims, store } = await assembled(t)
    const refused = assert.rejects(take({ workerId: 'w1', ...LONG }), { code: 'no_space' })
    const waiting = ['w2', 'w3', 'w4'].map(async (workerId) => await take({ workerId, ...LONG }))
    store.isRefused = ({ status }) => status === 'processing'
    const first = await add()
    await refused
    store.isRefused = () => false
    const second = await add({ createdAt: NOON + 1 })
    assert.equal(claims.waiting, 1)
    assert.deepEqual(ids((await Promise.all(waiting.slice(0, 2))).flat()), [first, second])
  })

  test('the highest priority first, then the oldest, of the content types asked for', async (t) => {
    const { add, claim: take } = await assembled(t)
    const late = await add({ createdAt: NOON - 1 })
    const early = await add({ createdAt: NOON - 2 })
    const video = await add({ contentType: 'video', createdAt: NOON - 3 })
    const urgent = await add({ priority: 1 })
    await add({ contentType: 'document', priority: 9 })
    const order = await take({ contentTypes: ['audio', 'video'], maxJobs: 10 })
    assert.deepEqual(ids(order), [urgent, video, early, late])
  })

  test('no more than asked for', async (t) => {
    const { add, claim: take } = await assembled(t)
    const all = [await add(), await add(), await add()]
    assert.deepEqual(ids(await take({ maxJobs: 2 })), all.slice(0, 2))
    assert.deepEqual(ids(await take({ maxJobs: 2 })), all.slice(2))
    assert.deepEqual(await take(), [])
  })

  test('a retry not before its time', async (t) => {
    const { add, claim: take, clock } = await assembled(t)
    const jobId = await add({ availableAt: NOON + 10 * SECOND })
    clock.now = NOON + 10 * SECOND - 1
    assert.deepEqual(await take(), [])
    clock.now += 1
    assert.deepEqual(ids(await take()), [jobId])
  })

  test('a reassigned one to its worker alone, until the reservation ends', async (t) => {
    const { add, claim: take, clock, jobs } = await assembled(t)
    const jobId = await add()
    const other = await add({ createdAt: NOON + 1 })
    await jobs.apply(jobId, { type: 'retry', reserveFor: 'chosen' })
    assert.deepEqual(ids(await take({ maxJobs: 5 })), [other])
    assert.deepEqual(ids(await take({ workerId: 'chosen' })), [jobId])
    await jobs.apply(jobId, { type: 'retry', reserveFor: 'nobody' })
    clock.now += 10 * MINUTE
    assert.deepEqual(ids(await take()), [jobId])
  })

  test('to each of fifty that wait exactly one of fifty jobs', async (t) => {
    const { add, claim: take, claims } = await assembled(t)
    const waiting = Array.from(
      { length: 50 },
      async (_, i) => await take({ workerId: `w${i}`, ...LONG }),
    )
    assert.equal(claims.waiting, 50)
    const made = await Promise.all(Array.from({ length: 50 }, async () => await add()))
    const given = (await Promise.all(waiting)).map((jobs) => {
      assert.equal(jobs.length, 1)
      return jobs[0]!.jobId
    })
    assert.deepEqual(given.toSorted(), made.toSorted())
    assert.equal(claims.waiting, 0)
  })

  test('to the one that has waited longest', async (t) => {
    const { add, claim: take } = await assembled(t)
    const first = take({ workerId: 'first', contentTypes: ['video', 'audio'], ...LONG })
    const second = take({ workerId: 'second', ...LONG })
    const jobId = await add()
    assert.deepEqual(ids(await first), [jobId])
    const next = await add()
    assert.deepEqual(ids(await second), [next])
  })
})

describe('a call that waits', () => {
  test('is woken by a retry that becomes available, to the millisecond', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const { add, claim: take, claims } = await assembled(t, { now: Date.now })
    const jobId = await add({ availableAt: NOON + 7_500.4 })
    const waiting = take(LONG)
    t.mock.timers.tick(7_500)
    assert.equal(claims.waiting, 1)
    t.mock.timers.tick(2)
    assert.deepEqual(ids(await waiting), [jobId])
    t.mock.timers.reset()
  })

  test('is woken by a job whose reservation for another ends', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const { add, claim: take, jobs } = await assembled(t, { now: Date.now })
    const jobId = await add()
    await jobs.apply(jobId, { type: 'retry', reserveFor: 'gone' })
    const waiting = take({ waitMs: 20 * MINUTE })
    t.mock.timers.tick(10 * MINUTE)
    assert.deepEqual(ids(await waiting), [jobId])
    t.mock.timers.reset()
  })

  test('gets all that has become available with the job that woke it, up to what it asked for', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const { add, claim: take } = await assembled(t, { now: Date.now })
    const availableAt = NOON + SECOND
    const made = [
      await add({ availableAt }),
      await add({ availableAt }),
      await add({ availableAt }),
    ]
    const waiting = take({ maxJobs: 2, ...LONG })
    t.mock.timers.tick(SECOND)
    assert.deepEqual(ids(await waiting), made.slice(0, 2))
    t.mock.timers.reset()
  })

  test('goes empty-handed when its time is over', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const { claim: take, claims } = await assembled(t, { now: Date.now })
    const waiting = take({ waitMs: SECOND })
    t.mock.timers.tick(999)
    assert.equal(claims.waiting, 1)
    t.mock.timers.tick(1)
    assert.deepEqual(await waiting, [])
    assert.equal(claims.waiting, 0)
    t.mock.timers.reset()
  })

  test('goes on waiting when its job is cancelled under its hands', async (t) => {
    const { add, claim: take, jobs, claims, store } = await assembled(t)
    const jobId = await add()
    const resume = store.hold()
    const cancelled = jobs.apply(jobId, { type: 'cancel' })
    const waiting = take(LONG)
    resume()
    await cancelled
    await until(() => claims.waiting === 1)
    const next = await add()
    assert.deepEqual(ids(await waiting), [next])
    assert.deepEqual((await jobs.get(jobId)).attempts, [])
  })

  test('is sent home when its worker is drained; then it gets nothing until resumed', async (t) => {
    const { add, claim: take, claims, workers } = await assembled(t)
    const waiting = take(LONG)
    const other = take({ workerId: 'w2', ...LONG })
    workers.direct('w1', 'drain')
    claims.dismiss('w1')
    assert.deepEqual(await waiting, [])
    const jobId = await add()
    assert.deepEqual(ids(await other), [jobId])
    const next = await add()
    assert.deepEqual(await take(LONG), [])
    workers.direct('w1', 'run')
    assert.deepEqual(ids(await take()), [next])
  })

  test('is sent home when the coordinator stops, and a later one at once', async (t) => {
    const { add, claim: take, claims } = await assembled(t)
    const waiting = take(LONG)
    claims.close()
    assert.deepEqual(await waiting, [])
    await add()
    assert.deepEqual(await take(LONG), [])
  })
})

describe('a caller that has gone', () => {
  test('while it waited leaves its place in line', async (t) => {
    const { add, claim: take, claims, job } = await assembled(t)
    const gone = new AbortController()
    const waiting = take({ signal: gone.signal, ...LONG })
    gone.abort()
    assert.deepEqual(await waiting, [])
    assert.equal(claims.waiting, 0)
    const jobId = await add()
    assert.equal(job(jobId).status, 'pending')
    assert.deepEqual(job(jobId).attempts, [])
  })

  test('before it came claims nothing', async (t) => {
    const { add, claim: take, job } = await assembled(t)
    const jobId = await add()
    const signal = AbortSignal.abort()
    assert.deepEqual(await take({ signal, ...LONG }), [])
    assert.deepEqual(await take({ signal, ...POLL }), [])
    assert.deepEqual(job(jobId).attempts, [])
    assert.deepEqual(ids(await take()), [jobId])
  })

  for (const claimId of ['claim', null]) {
    test(`while its ${claimId ?? 'poll'} was being written gives the jobs back, and the next one has them`, async (t) => {
      const { add, claim: take, job, store } = await assembled(t)
      const made = [await add(), await add()]
      const gone = new AbortController()
      const resume = store.hold()
      const claiming = take({ signal: gone.signal, maxJobs: 2, claimId })
      await until(() => store.held === 2)
      const next = take({ workerId: 'w2', maxJobs: 2, ...LONG })
      gone.abort()
      resume()
      assert.deepEqual(await claiming, [])
      const taken = new Set(ids(await next))
      for (const jobId of made) {
        const [first, second] = job(jobId).attempts
        assert.equal(first?.outcome, 'released')
        assert.equal(job(jobId).retryCount, 0)
        if (taken.has(jobId)) assert.equal(second?.workerId, 'w2')
      }
      assert.ok(taken.size > 0)
    })
  }

  test('between its place in line and the write costs no worker the job', async (t) => {
    const { add, claim: take, store } = await assembled(t)
    const gone = new AbortController()
    const waiting = take({ signal: gone.signal, ...LONG })
    const next = take({ workerId: 'w2', ...LONG })
    const jobId = await add()
    gone.abort()
    assert.deepEqual(await waiting, [])
    assert.deepEqual(ids(await next), [jobId])
    assert.equal(store.held, 0)
  })
})

test('a caller that left while its request was being read is gone from the start', async (t) => {
  const server = createServer()
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const [incoming, outgoing] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
  const before = callerGone({ env: { incoming, outgoing } } as unknown as Context<Env>)
  assert.equal(before.aborted, false)
  socket.destroy()
  await once(outgoing, 'close')
  assert.equal(before.aborted, true)
  const late = callerGone({ env: { incoming, outgoing } } as unknown as Context<Env>)
  assert.equal(late.aborted, true)
})

describe('a claim of several jobs that the disk has no room for', () => {
  const refused = (error: unknown): boolean =>
    error instanceof AppError && error.code === 'no_space'

  test('gives those that could be written down, and leaves the rest in the queue', async (t) => {
    const { add, claim, store, job } = await assembled(t)
    const [one, two, three] = [await add(), await add(), await add()]
    store.isRefused = ({ jobId }) => jobId === two
    const claimed = await claim({ maxJobs: 3 })
    assert.deepEqual(
      claimed.map(({ jobId }) => jobId),
      [one, three],
    )
    assert.equal(job(two).status, 'pending')
    store.isRefused = () => false
    assert.deepEqual(
      (await claim()).map(({ jobId }) => jobId),
      [two],
    )
  })

  test('says so when there is room for none', async (t) => {
    const { add, claim, store } = await assembled(t)
    await Promise.all([add(), add()])
    store.isRefused = () => true
    await assert.rejects(claim({ maxJobs: 2 }), refused)
    store.isRefused = () => false
    assert.equal((await claim({ maxJobs: 2 })).length, 2)
  })

  test('gives back all that can be when its answer fails, the rest later, and says why that failed', async (t) => {
    const { add, claim, store, job, jobs } = await assembled(t)
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const [one, two] = [await add(), await add()]
    const failing = claim({ maxJobs: 2 }, async () => {
      store.isRefused = ({ jobId }) => jobId === one
      throw new Error('no answer')
    })
    await assert.rejects(failing, /no answer/)
    assert.deepEqual([job(one).status, job(two).status], ['processing', 'pending'])
    store.isRefused = () => false
    const given = new Promise<Job | null>((resolve) =>
      jobs.subscribe({ onChange: (_, after) => resolve(after) }),
    )
    t.mock.timers.tick(SECOND)
    assert.equal((await given)?.attempts[0]?.outcome, 'released')
    assert.equal(job(one).status, 'pending')
  })
})

describe('a claim id', () => {
  test('sent again gives the same attempts, also while more work waits', async (t) => {
    const { add, claim: take } = await assembled(t)
    const made = [await add(), await add()]
    await add()
    const first = await take({ claimId: 'same', maxJobs: 2 })
    const second = await take({ claimId: 'same', maxJobs: 2 })
    assert.deepEqual(ids(first), made)
    assert.deepEqual(ids(second), made)
    assert.deepEqual(second.map(lastAttempt), first.map(lastAttempt))
  })

  test('sent again while the first call is being written waits for it', async (t) => {
    const { add, claim: take, store } = await assembled(t)
    const jobId = await add()
    await add()
    const resume = store.hold()
    const first = take({ claimId: 'same' })
    const second = take({ claimId: 'same' })
    resume()
    assert.deepEqual(ids(await first), [jobId])
    assert.deepEqual(ids(await second), [jobId])
  })

  test('sent again while the first call waits takes its place', async (t) => {
    const { add, claim: take, claims } = await assembled(t)
    const first = take({ claimId: 'same', ...LONG })
    const second = take({ claimId: 'same', ...LONG })
    assert.deepEqual(await first, [])
    await until(() => claims.waiting === 1)
    const third = take({ claimId: 'same', ...LONG })
    assert.deepEqual(await second, [])
    await until(() => claims.waiting === 1)
    const jobId = await add()
    assert.deepEqual(ids(await third), [jobId])
  })

  test('sent again while the answer of a call that was cut off is made gives work that is still held', async (t) => {
    const { add, claim: take, job } = await assembled(t)
    const jobId = await add()
    const gone = new AbortController()
    const answering = new EventEmitter()
    const first = take({ claimId: 'same', signal: gone.signal }, async (jobs) => {
      answering.emit('begun')
      await once(answering, 'go on')
      return jobs
    })
    await once(answering, 'begun')
    const second = take({ claimId: 'same' })
    gone.abort()
    answering.emit('go on')
    await first
    const [given] = await second
    assert.equal(given?.jobId, jobId)
    assert.equal(job(jobId).status, 'processing')
    assert.deepEqual(lastAttempt(job(jobId)), lastAttempt(given!))
    assert.deepEqual(
      job(jobId).attempts.map(({ outcome }) => outcome),
      ['released', null],
    )
  })

  test('of a call that was cut off and is read late takes nothing back from the call that came after it', async (t) => {
    const { add, claim: take, job } = await assembled(t)
    const jobId = await add()
    const [given] = await take({ claimId: 'same' })
    const gone = new AbortController()
    await take({ claimId: 'same', signal: AbortSignal.abort() })
    await take({ claimId: 'same', signal: gone.signal }, (jobs) => {
      gone.abort()
      return Promise.resolve(jobs)
    })
    assert.equal(job(jobId).status, 'processing')
    assert.deepEqual(job(jobId).attempts, given?.attempts)
  })

  test('is one worker’s own', async (t) => {
    const { add, claim: take } = await assembled(t)
    const made = [await add(), await add()]
    assert.deepEqual(ids(await take({ claimId: 'same' })), [made[0]])
    assert.deepEqual(ids(await take({ claimId: 'same', workerId: 'w2' })), [made[1]])
  })

  test('whose job is over gives new work', async (t) => {
    const { add, claim: take, jobs } = await assembled(t)
    const made = [await add(), await add()]
    const [job] = await take({ claimId: 'same' })
    await jobs.apply(job!.jobId, { type: 'cancel' })
    assert.deepEqual(ids(await take({ claimId: 'same' })), [made[1]])
  })
})

describe('a worker of the original protocol that polls again', () => {
  test('after 30 s gets the attempt that it never began to download, no other one', async (t) => {
    const { add, claim: take, clock, job } = await assembled(t)
    const jobId = await add()
    await add({ createdAt: NOON + 1, availableAt: NOON + 40 * SECOND })
    assert.deepEqual(ids(await take(POLL)), [jobId])
    clock.now = NOON + 30 * SECOND - 1
    assert.deepEqual(await take(POLL), [])
    clock.now += 1
    assert.deepEqual(await take({ ...POLL, workerId: 'w2' }), [])
    assert.deepEqual(ids(await take(POLL)), [jobId])
    assert.equal(job(jobId).attempts.length, 1)
  })

  test('gets it on top of new ones, never more than it asked for', async (t) => {
    const { add, claim: take, clock } = await assembled(t)
    const lost = await add()
    await take(POLL)
    const made = [await add(), await add()]
    clock.now += 30 * SECOND
    assert.deepEqual(ids(await take({ ...POLL, maxJobs: 2 })), [lost, made[0]])
  })

  test('does not get it when the download has begun, nor an attempt with a lease', async (t) => {
    const { add, claim: take, clock, jobs } = await assembled(t)
    const jobId = await add()
    await take(POLL)
    await jobs.changeLease(jobId, 1, fetching)
    await add({ contentType: 'video' })
    await take({ contentTypes: ['video'] })
    clock.now += 60 * SECOND
    assert.deepEqual(await take({ ...POLL, contentTypes: ['audio', 'video'] }), [])
  })
})

describe('POST /remote-jobs/claim', () => {
  const ask = async (running: Running, different: Record<string, unknown>) =>
    await running.ask('POST', '/remote-jobs/claim', {
      json: { worker_id: 'w1', content_types: ['audio'], claim_id: randomUUID(), ...different },
    })
  const waits = async (running: Running): Promise<number> =>
    Number((await running.ask('GET', '/health')).body['waiting_claims'])

  test('answers all that an agent needs, and no secrets', async (t) => {
    const running = await startRunning(t)
    const options = { language: 'en', webhook_secret: 'hush' }
    const id = await createJob(running, { task_options: options })
    const { status, body, text } = await ask(running, {})
    assert.equal(status, 200)
    assert.equal(body['retry_after_seconds'], 0)
    const [job] = body['jobs'] as Claimed[]
    const { lease_token: token, source, deadline_seconds: deadline, ...rest } = job!
    assert.deepEqual(rest, {
      job_id: id,
      attempt: 1,
      lease_seconds: 60,
      heartbeat_seconds: 20,
      content_type: 'audio',
      task_options: { language: 'en' },
      checkpoint: null,
    })
    assert.match(token, /^1\.[\w-]{43}$/)
    assert.ok(Number(deadline) > 3_590 && Number(deadline) <= 3_600)
    assert.deepEqual(Object.keys(source), ['url', 'filename', 'size_bytes', 'sha256', 'etag'])
    assert.deepEqual(
      [source.url, source.filename, source.size_bytes, source.sha256],
      [`/api/v1/remote-jobs/${id}/download`, 'talk.mp3', 21, null],
    )
    assert.doesNotMatch(text, /hush/)
  })

  test('with nothing to do says when to come again: at once after a wait, else in a while', async (t) => {
    const running = await startRunning(t)
    const none = await ask(running, {})
    assert.deepEqual(none.body, { jobs: [], retry_after_seconds: 5 })
    const waited = await ask(running, { wait_seconds: 0.05 })
    assert.deepEqual(waited.body, { jobs: [], retry_after_seconds: 0 })
  })

  test('tells a worker that is sent home early not to come back at once', async (t) => {
    const running = await startRunning(t)
    const waiting = ask(running, { wait_seconds: 60 })
    await until(async () => (await waits(running)) === 1)
    await running.ask('POST', '/workers/w1/drain')
    assert.deepEqual((await waiting).body, { jobs: [], retry_after_seconds: 5 })
    const again = await ask(running, { wait_seconds: 60 })
    assert.deepEqual(again.body, { jobs: [], retry_after_seconds: 5 })
    await running.ask('POST', '/workers/w1/resume')
    const id = await createJob(running)
    assert.equal((await claim(running))[0]?.job_id, id)
  })

  test('is woken by a new job and by a retry by hand, and has the job in milliseconds', async (t) => {
    const running = await startRunning(t)
    const waiting = claim(running, { wait_seconds: 60 })
    await until(async () => (await waits(running)) === 1)
    const id = await createJob(running)
    const [job] = await waiting
    assert.equal(job?.job_id, id)
    await running.ask('POST', `/remote-jobs/${id}/cancel`)
    const next = claim(running, { wait_seconds: 60 })
    await until(async () => (await waits(running)) === 1)
    const at = performance.now()
    await running.ask('POST', `/remote-jobs/${id}/retry`)
    const [again] = await next
    assert.deepEqual([again?.job_id, again?.attempt], [id, 2])
    assert.ok(performance.now() - at < 1_000)
  })

  test('gives a reassigned job to the chosen worker that waits', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    await claim(running, { worker_id: 'slow' })
    const anyone = new AbortController()
    const others = claim(running, { worker_id: 'other', wait_seconds: 60 }, anyone.signal)
    const chosen = claim(running, { worker_id: 'chosen', wait_seconds: 60 })
    await until(async () => (await waits(running)) === 2)
    await running.ask('POST', `/remote-jobs/${id}/reassign`, { json: { worker_id: 'chosen' } })
    assert.equal((await chosen)[0]?.job_id, id)
    assert.equal(await waits(running), 1)
    anyone.abort()
    await assert.rejects(others)
  })

  test('with the same claim_id answers the same jobs and tokens', async (t) => {
    const running = await startRunning(t)
    for (let i = 0; i < 3; i += 1) await createJob(running)
    const first = await claim(running, { claim_id: 'same', max_jobs: 2 })
    const second = await claim(running, { claim_id: 'same', max_jobs: 2 })
    const tokens = (jobs: Claimed[]): unknown => jobs.map((job) => [job.job_id, job.lease_token])
    assert.equal(first.length, 2)
    assert.deepEqual(tokens(second), tokens(first))
  })

  test('whose caller hangs up while it waits has claimed nothing', async (t) => {
    const running = await startRunning(t)
    const gone = new AbortController()
    const waiting = claim(running, { wait_seconds: 60 }, gone.signal)
    await until(async () => (await waits(running)) === 1)
    gone.abort()
    await assert.rejects(waiting)
    await until(async () => (await waits(running)) === 0)
    const id = await createJob(running)
    const { body } = await running.ask('GET', `/remote-jobs/${id}`)
    assert.equal(body['status'], 'pending')
    assert.deepEqual(body['attempts'], [])
  })

  test('whose caller is gone with its last byte does not wait for work', async (t) => {
    const running = await startRunning(t)
    const { port, hostname } = new URL(running.url)
    for (let times = 0; times < 20; times += 1) {
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      const json = `{"worker_id":"w","content_types":["audio"],"claim_id":"c${times}","wait_seconds":60}`
      const head = `POST /api/v1/remote-jobs/claim HTTP/1.1\r\nHost: x\r\nContent-Length: ${json.length}\r\n\r\n`
      socket.write(head + json)
      if (times % 2 === 1) await nextTurn()
      socket.resetAndDestroy()
    }
    // Everything that was sent before has been read once a later request is answered, or soon after.
    await until(async () => (await waits(running)) === 0)
    const id = await createJob(running)
    const [job] = await claim(running)
    assert.deepEqual([job?.job_id, job?.attempt], [id, 1])
  })

  for (const [different, field] of [
    [{ worker_id: '' }, 'worker_id'],
    [{ content_types: [] }, 'content_types'],
    [{ content_types: 'audio' }, 'content_types'],
    [{ max_jobs: 0 }, 'max_jobs'],
    [{ max_jobs: 1.5 }, 'max_jobs'],
    [{ wait_seconds: 61 }, 'wait_seconds'],
    [{ claim_id: null }, 'claim_id'],
  ] as const) {
    test(`with ${JSON.stringify(different)} is a 422 that names ${field}`, async (t) => {
      const { status, body } = await ask(await startRunning(t), different)
      assert.equal(status, 422)
      const [problem] = body['detail'] as { loc: string[] }[]
      assert.deepEqual(problem?.loc.slice(0, 2), ['body', field])
    })
  }
})
