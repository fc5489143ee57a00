import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Estimates, type Surroundings } from '../../coordinator/job/estimate.ts'
import type { CompletedJob, Job, ProcessingJob } from '../../coordinator/job/job.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { after, CLAIM, NOON, oneOfEach, pendingJob, result } from './example-jobs.ts'

const ALONE = { now: NOON, position: 1, slots: 1 }

/** A job that took so long, for a recording of that length. */
function done(tookSeconds: number, mediaSeconds: number | null = null, contentType = 'audio'): Job {
  const job = after(pendingJob({ contentType }), CLAIM, {
    type: 'succeed',
    attempt: 1,
    result: { ...result(), mediaSeconds },
  }) as CompletedJob
  const attempt = job.attempts[0]!
  return { ...job, attempts: [{ ...attempt, endedAt: attempt.startedAt + tookSeconds * SECOND }] }
}

function learned(...jobs: Job[]): Estimates {
  const estimates = new Estimates()
  for (const job of jobs) estimates.learn(job)
  return estimates
}

/** A job claimed at noon, with what its worker has said since. */
function working(lease: Partial<ProcessingJob['lease']> = {}): ProcessingJob {
  const job = after(pendingJob(), CLAIM) as ProcessingJob
  return { ...job, lease: { ...job.lease, ...lease } }
}

/** When a job is done by what was learned; null: nothing is said. */
function completionAt(estimates: Estimates, job: Job, around: Surroundings): number | null {
  return estimates.of(job, around)?.completionAt ?? null
}

describe('before a job of its type has completed', () => {
  const estimates = learned(done(10, 60, 'video'), ...Object.values(oneOfEach()).slice(0, 2))
  const sized = (contentType: string, sizeBytes: number): Job =>
    pendingJob({ contentType, source: { ...pendingJob().source, sizeBytes } })

  test('a job takes as long as its recording by the size of its file, and a start, which is said', () => {
    for (const [contentType, megabytes, seconds] of [
      ['audio', 1.6, 110],
      ['document', 5, 110],
      ['audio', 0, 10],
    ] as const) {
      const told = estimates.of(sized(contentType, megabytes * 1_000_000), ALONE)
      assert.deepEqual(told, { completionAt: NOON + seconds * SECOND, basis: 'prior' })
    }
    const video = new Estimates().of(sized('video', 12_500_000), ALONE)
    assert.deepEqual(video, { completionAt: NOON + 110 * SECOND, basis: 'prior' })
  })

  test('the length counts where a worker has said it, and those before it in the queue', () => {
    const told = estimates.of(working({ mediaSeconds: 600 }), ALONE)
    assert.deepEqual(told, { completionAt: NOON + 610 * SECOND, basis: 'prior' })
    const behind = { now: NOON, position: 3, slots: 1, bytesAhead: 3_200_000 }
    assert.equal(
      completionAt(estimates, sized('audio', 1_600_000), behind),
      NOON + (110 + 2 * 110) * SECOND,
    )
  })
})

test('an estimate says what it is gathered from', () => {
  const estimates = learned(done(10, 60))
  const sized = (sizeBytes: number): Job =>
    pendingJob({ source: { ...pendingJob().source, sizeBytes } })
  assert.equal(estimates.of(sized(1_000), ALONE)?.basis, 'size')
  assert.equal(estimates.of(sized(0), ALONE)?.basis, 'usual')
  assert.equal(estimates.of(working({ mediaSeconds: 60 }), ALONE)?.basis, 'length')
  assert.equal(estimates.of(working({ progress: 0.5 }), ALONE)?.basis, 'progress')
})

test('jobs that failed or were cancelled teach nothing', () => {
  const { failed, timeout, cancelled } = oneOfEach()
  assert.equal(learned(failed, timeout, cancelled).of(pendingJob(), ALONE)?.basis, 'prior')
})

test('a waiting job is done when those before it and itself have had the usual time', () => {
  const estimates = learned(done(10), done(1_000), done(20))
  const at = (position: number, slots = 1): number | null =>
    completionAt(estimates, pendingJob(), { now: NOON, position, slots })
  assert.equal(at(1), NOON + 20 * SECOND)
  assert.equal(at(4), NOON + 80 * SECOND)
  assert.equal(at(4, 2), NOON + 40 * SECOND)
  assert.equal(at(5, 2), NOON + 60 * SECOND)
  assert.equal(at(1, 0), NOON + 20 * SECOND)
})

test('a job takes the longer, the larger its file, and waits the longer for large ones before it', () => {
  const estimates = learned(done(10))
  const sized = (sizeBytes: number): Job =>
    pendingJob({ source: { ...pendingJob().source, sizeBytes } })
  assert.equal(completionAt(estimates, sized(6_000), ALONE), NOON + 60 * SECOND)
  const behind = { ...ALONE, position: 3, bytesAhead: 20_000 }
  assert.equal(completionAt(estimates, sized(1_000), behind), NOON + 210 * SECOND)
  assert.equal(completionAt(estimates, sized(0), ALONE), NOON + 10 * SECOND)
})

test('what those have done who may do a job says more than what others have', () => {
  const by = (workerId: string, job: Job): Job => ({
    ...job,
    attempts: job.attempts.map((one) => ({ ...one, workerId })),
  })
  const estimates = learned(...Array.from({ length: 9 }, () => by('fast', done(10, 600))))
  estimates.learn(by('slow', done(1_000, 600)))
  const at = (...workerIds: string[]): number | null =>
    completionAt(estimates, pendingJob(), { ...ALONE, workerIds: new Set(workerIds) })
  assert.equal(at('slow'), NOON + 1_000 * SECOND)
  assert.equal(at('fast', 'slow'), NOON + 10 * SECOND)
  assert.equal(at('new'), NOON + 10 * SECOND)
  const claimed = by('slow', working({ mediaSeconds: 60 }))
  assert.equal(completionAt(estimates, claimed, { ...ALONE, position: null }), NOON + 100 * SECOND)
})

test('a retry that must wait is counted from when it may start', () => {
  const job = pendingJob({ availableAt: NOON + MINUTE })
  assert.equal(completionAt(learned(done(10)), job, ALONE), NOON + MINUTE + 10 * SECOND)
})

test('without a place in the queue nothing is said of a waiting job', () => {
  assert.equal(completionAt(learned(done(10)), pendingJob(), { ...ALONE, position: null }), null)
})

test('a job in work that says nothing of itself takes the usual time', () => {
  const estimates = learned(done(10), done(20), done(30))
  assert.equal(completionAt(estimates, working(), ALONE), NOON + 20 * SECOND)
})

test('a job in work whose recording is known takes as long as recordings of others took, per second', () => {
  // 360 s of recording in 36 s of work.
  const estimates = learned(done(6, 60), done(30, 300), done(500, null))
  const job = working({ mediaSeconds: 1_000 })
  assert.equal(completionAt(estimates, job, ALONE), NOON + 100 * SECOND)
})

test('once an attempt has come some way, its own pace counts', () => {
  const estimates = learned(done(10, 60))
  const lease = { mediaSeconds: 1_000, movedAt: NOON + 30 * SECOND }
  const at = (progress: number, now = NOON + 30 * SECOND): number | null =>
    completionAt(estimates, working({ ...lease, progress }), { ...ALONE, now })
  assert.equal(at(0.25), NOON + 120 * SECOND)
  assert.equal(at(1), NOON + 30 * SECOND)
  assert.ok(Math.abs(at(0.01)! - (NOON + (1_000 / 6) * SECOND)) < 1)
  // Time that passes without news does not make the rest longer.
  assert.equal(at(0.25, NOON + 60 * SECOND), NOON + 120 * SECOND)
})

test('no estimate lies in the past', () => {
  const late = { ...ALONE, now: NOON + 60 * MINUTE }
  const estimates = learned(done(10))
  assert.equal(completionAt(estimates, working(), late), late.now)
  assert.equal(completionAt(estimates, working({ progress: 0.5 }), late), late.now)
})

test('of ended jobs there is no estimate', () => {
  const { completed, failed, timeout, cancelled } = oneOfEach()
  for (const job of [completed, failed, timeout, cancelled])
    assert.equal(completionAt(learned(done(10)), job, ALONE), null)
})

test('what was learned long ago gives way to the last fifty', () => {
  const estimates = learned(
    ...Array.from({ length: 60 }, () => done(1_000)),
    ...Array.from({ length: 50 }, () => done(5)),
  )
  assert.equal(completionAt(estimates, pendingJob(), ALONE), NOON + 5 * SECOND)
})

test('of a job with several attempts the one that succeeded counts', () => {
  const job = done(7) as CompletedJob
  const lost = { ...job.attempts[0]!, outcome: 'lost' as const, endedAt: NOON + 999 * SECOND }
  const twice = { ...job, attempts: [lost, { ...job.attempts[0]!, number: 2 }] }
  assert.equal(completionAt(learned(twice), pendingJob(), ALONE), NOON + 7 * SECOND)
})

test('recordings without a length and attempts without a duration leave the pace unknown', () => {
  const estimates = learned(done(0, 60), done(10, 0))
  const at = completionAt(estimates, working({ mediaSeconds: 100 }), ALONE)
  assert.equal(at, NOON + 10 * SECOND)
})

test('the wait of a job for its slot is neither its own work nor a lesson for others', () => {
  const waitedMs = 600 * SECOND
  const estimates = new Estimates()
  const job = done(610)
  estimates.learn(job, working({ waitedMs }))
  assert.equal(completionAt(estimates, pendingJob(), ALONE), NOON + 10 * SECOND)
  const pace = working({ waitedMs, progress: 0.5, movedAt: NOON + 630 * SECOND })
  const now = NOON + 630 * SECOND
  assert.equal(completionAt(estimates, pace, { ...ALONE, now }), NOON + 660 * SECOND)
})
