import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import {
  lastAttempt,
  MAX_ATTEMPTS_KEPT,
  type Beat,
  type Job,
  type JobEvent,
  type ProcessingJob,
} from '../../coordinator/job/job.ts'
import { transition } from '../../coordinator/job/transition.ts'
import {
  after,
  at,
  CLAIM,
  failing,
  newJobId,
  NOON,
  oneOfEach,
  pendingJob,
  POLICY,
  result,
} from './example-jobs.ts'

const LATER = NOON + 5 * MINUTE
/** When every lease and deadline that was given at noon is over. */
const EVENING = NOON + 6 * HOUR
const EXPIRED: JobEvent = { type: 'lease_expired' }
const DEADLINE: JobEvent = { type: 'deadline_passed' }
const CANCEL: JobEvent = { type: 'cancel' }
const RETRY: JobEvent = { type: 'retry', reserveFor: null }

function beat(different: Partial<Beat> = {}): Beat {
  return {
    stage: 'transcribe',
    progress: 0.5,
    mediaSeconds: null,
    processedSeconds: 30,
    ...different,
  }
}
function beating(attempt: number, different: Partial<Beat> = {}): JobEvent {
  return { type: 'heartbeat', attempt, beat: beat(different) }
}
function succeeding(attempt: number, digest?: string): JobEvent {
  return { type: 'succeed', attempt, result: result(digest) }
}
function processing(job: Job): ProcessingJob {
  assert.equal(job.status, 'processing')
  return job as ProcessingJob
}
function refusedAs(code: string): (error: unknown) => boolean {
  return (error) => error instanceof AppError && error.code === code
}

describe('a failure of the machine', () => {
  const lacking = (attempt: number, code = 'no_space'): JobEvent => ({
    type: 'fail',
    attempt,
    code,
    message: 'The disk is full.',
    retryable: true,
  })
  const claimedBy = (job: Job, workerId: string, now: number): Job =>
    transition(job, { ...CLAIM, workerId }, at(now))

  for (const code of ['no_space', 'work_dir_failed', 'model_missing', 'engine_missing']) {
    test(`(${code}) counts no try, and lets another worker have the job at once`, () => {
      const job = transition(claimedBy(pendingJob(), 'w1', NOON), lacking(1, code), at(LATER))
      assert.ok(job.status === 'pending')
      assert.deepEqual([job.retryCount, job.availableAt], [0, LATER])
      const { outcome, errorCode } = lastAttempt(job)!
      assert.deepEqual([outcome, errorCode], ['failed', code])
      assert.equal(transition(job, lacking(1, code), at(LATER)), job)
    })
  }

  test('makes the job wait, longer each time, where the same worker has it again', () => {
    let job: Job = pendingJob()
    let now = NOON
    const waits: number[] = []
    for (let n = 1; n <= 8; n += 1) {
      job = transition(claimedBy(job, 'w1', now), lacking(n), { ...at(now), random: 0 })
      assert.ok(job.status === 'pending')
      waits.push((job.availableAt - now) / SECOND)
      now = job.availableAt
    }
    assert.deepEqual(waits, [0, 7.5, 15, 30, 60, 120, 240, 450])
    assert.equal(job.retryCount, 0)
    job = transition(claimedBy(job, 'w2', now), lacking(9), at(now))
    assert.equal(job.status === 'pending' && job.availableAt, now)
  })

  test('counts like any other after a night of them, and ends the job then', () => {
    let job: Job = pendingJob({ maxRetries: 1 })
    let now = NOON
    for (let n = 1; job.status === 'pending'; n += 1) {
      job = transition(claimedBy(job, 'w1', now), lacking(n), at(now))
      if (job.status === 'pending') now = job.availableAt
    }
    assert.equal(job.status, 'failed')
    assert.ok(job.attempts.length > 40)
    assert.ok(now - NOON > 6 * HOUR)
  })

  test('that will not pass, or of a worker without a lease, is like any other', () => {
    const forGood = { ...lacking(1), retryable: false } as JobEvent
    assert.equal(
      transition(claimedBy(pendingJob(), 'w1', NOON), forGood, at(NOON)).status,
      'failed',
    )
    const original = transition(pendingJob(), { ...CLAIM, leased: false }, at(NOON))
    const again = transition(original, lacking(1), at(NOON))
    assert.equal(again.retryCount, 1)
  })
})

describe('the state table', () => {
  const events = {
    claim: CLAIM,
    heartbeat: beating(1),
    succeed: succeeding(1),
    fail: failing(1),
    release: { type: 'release', attempt: 1 },
    'lease expired': EXPIRED,
    'deadline passed': DEADLINE,
    cancel: CANCEL,
    retry: RETRY,
  } as const satisfies Record<string, JobEvent>
  /** A status: the next one. `same`: the very same job. Else the code of the refusal. */
  const table: Record<Job['status'], Record<keyof typeof events, string>> = {
    pending: {
      claim: 'processing',
      heartbeat: 'lease_lost',
      succeed: 'completed',
      fail: 'lease_lost',
      release: 'lease_lost',
      'lease expired': 'same',
      'deadline passed': 'same',
      cancel: 'cancelled',
      retry: 'conflict',
    },
    processing: {
      claim: 'conflict',
      heartbeat: 'processing',
      succeed: 'completed',
      fail: 'pending',
      release: 'pending',
      'lease expired': 'pending',
      'deadline passed': 'timeout',
      cancel: 'cancelled',
      retry: 'pending',
    },
    completed: {
      claim: 'conflict',
      heartbeat: 'lease_lost',
      succeed: 'same',
      fail: 'lease_lost',
      release: 'lease_lost',
      'lease expired': 'same',
      'deadline passed': 'same',
      cancel: 'conflict',
      retry: 'conflict',
    },
    failed: {
      claim: 'conflict',
      heartbeat: 'lease_lost',
      succeed: 'completed',
      // It is the attempt that failed: said again, it changes nothing. A stale one is refused, below.
      fail: 'same',
      release: 'lease_lost',
      'lease expired': 'same',
      'deadline passed': 'same',
      cancel: 'cancelled',
      retry: 'pending',
    },
    timeout: {
      claim: 'conflict',
      heartbeat: 'lease_lost',
      succeed: 'completed',
      fail: 'lease_lost',
      release: 'lease_lost',
      'lease expired': 'same',
      'deadline passed': 'same',
      cancel: 'cancelled',
      retry: 'pending',
    },
    cancelled: {
      claim: 'conflict',
      heartbeat: 'lease_lost',
      succeed: 'lease_lost',
      fail: 'lease_lost',
      release: 'lease_lost',
      'lease expired': 'same',
      'deadline passed': 'same',
      cancel: 'same',
      retry: 'pending',
    },
  }
  for (const [from, row] of Object.entries(table)) {
    for (const [name, expected] of Object.entries(row)) {
      test(`${from} × ${name} → ${expected}`, () => {
        const job = oneOfEach()[from as Job['status']]
        const before = structuredClone(job)
        const event = events[name as keyof typeof events]
        if (expected === 'conflict' || expected === 'lease_lost') {
          assert.throws(() => transition(job, event, at(EVENING)), refusedAs(expected))
        } else {
          const next = transition(job, event, at(EVENING))
          if (expected === 'same') assert.equal(next, job)
          else {
            assert.notEqual(next, job)
            assert.equal(next.status, expected)
          }
        }
        assert.deepEqual(job, before, 'the job that came in is as it was')
      })
    }
  }

  test('no refusal leaves out which job it is about', () => {
    for (const job of Object.values(oneOfEach())) {
      for (const event of Object.values(events)) {
        try {
          transition(job, event, at(LATER))
        } catch (error) {
          assert.ok(error instanceof AppError && error.message.includes(job.jobId))
        }
      }
    }
  })
})

describe('only the current attempt may speak (footnote 1)', () => {
  const second = (): Job => after(pendingJob(), CLAIM, failing(1), CLAIM)

  for (const [name, event] of [
    ['progress', beating(1)],
    ['failure', failing(1)],
    ['release', { type: 'release', attempt: 1 }],
  ] as const) {
    test(`a stale ${name} is refused while a newer attempt runs`, () => {
      assert.throws(() => transition(second(), event, at(LATER)), refusedAs('lease_lost'))
    })
  }

  test('a failure of an older attempt is refused after the job has ended', () => {
    const job = after(second(), failing(2, 'invalid_media'))
    assert.equal(job.status, 'failed')
    assert.throws(() => transition(job, failing(1), at(LATER)), refusedAs('lease_lost'))
  })

  test('a failure said again changes nothing, whether the job waits or has failed', () => {
    const waiting = after(pendingJob(), CLAIM, failing(1))
    assert.equal(transition(waiting, failing(1), at(LATER)), waiting)
    const failed = after(pendingJob(), CLAIM, failing(1, 'no_audio'))
    assert.equal(transition(failed, failing(1, 'no_audio'), at(LATER)), failed)
  })

  test('a failure of an attempt whose lease was lost is refused', () => {
    const job = after(pendingJob(), CLAIM, EXPIRED)
    assert.throws(() => transition(job, failing(1), at(LATER)), refusedAs('lease_lost'))
  })

  test('a release said again changes nothing', () => {
    const job = after(pendingJob(), CLAIM, { type: 'release', attempt: 1 })
    assert.equal(transition(job, { type: 'release', attempt: 1 }, at(LATER)), job)
  })
})

describe('a claim (footnote 2)', () => {
  test('opens an attempt with a lease and a deadline', () => {
    const job = processing(transition(pendingJob(), CLAIM, at(LATER)))
    assert.deepEqual(job.attempts, [
      {
        number: 1,
        workerId: 'w1',
        tokenId: null,
        leased: true,
        startedAt: LATER,
        endedAt: null,
        outcome: null,
        errorCode: null,
        errorMessage: null,
        ability: null,
      },
    ])
    assert.deepEqual(job.lease, {
      claimId: 'c1',
      expiresAt: LATER + POLICY.leaseMs,
      deadlineAt: LATER + 60 * MINUTE,
      stage: null,
      progress: null,
      mediaSeconds: null,
      processedSeconds: null,
      movedAt: LATER,
      downloadAt: null,
      downloadedAt: null,
      graceUntilAt: null,
      waitingSinceAt: null,
      waitedMs: 0,
      reserved: false,
    })
  })

  test('leaves nothing behind that only a waiting job has', () => {
    const job = transition(pendingJob(), CLAIM, at(LATER))
    assert.equal('availableAt' in job, false)
    assert.equal('reserved' in job, false)
  })

  test('is refused until the job is available, and taken at that instant', () => {
    const job = pendingJob({ availableAt: LATER })
    assert.throws(() => transition(job, CLAIM, at(LATER - 1)), refusedAs('conflict'))
    assert.equal(transition(job, CLAIM, at(LATER)).status, 'processing')
  })

  test('by another worker than the one it is reserved for waits for the reservation to end', () => {
    const job = transition(pendingJob(), { type: 'retry', reserveFor: 'w2' }, at(NOON))
    const end = NOON + 10 * MINUTE
    assert.throws(() => transition(job, CLAIM, at(end - 1)), refusedAs('conflict'))
    assert.equal(transition(job, CLAIM, at(end)).status, 'processing')
    const reserved = { ...CLAIM, workerId: 'w2' }
    assert.equal(transition(job, reserved, at(NOON)).status, 'processing')
  })

  test('numbers attempts one higher each time and never gives a number twice', () => {
    const ends: JobEvent[] = [
      { type: 'release', attempt: 1 },
      failing(2),
      EXPIRED,
      RETRY,
      { type: 'release', attempt: 5 },
      CANCEL,
    ]
    let job: Job = pendingJob({ maxRetries: 10 })
    for (const [index, end] of ends.entries()) {
      job = after(job, CLAIM)
      assert.equal(lastAttempt(job)?.number, index + 1)
      job = after(job, end)
    }
    job = after(job, RETRY, CLAIM)
    assert.deepEqual(
      job.attempts.map(({ number }) => number),
      [1, 2, 3, 4, 5, 6, 7],
    )
  })

  test('forgets the oldest attempts of a long history, and still counts on', () => {
    let job: Job = pendingJob()
    const many = MAX_ATTEMPTS_KEPT + 20
    for (let n = 1; n <= many; n += 1) job = after(job, CLAIM, { type: 'release', attempt: n })
    assert.equal(job.attempts.length, MAX_ATTEMPTS_KEPT)
    assert.equal(job.attempts[0]?.number, 21)
    assert.equal(lastAttempt(job)?.number, many)
    assert.equal(lastAttempt(after(job, CLAIM))?.number, many + 1)
  })
})

describe('a success (footnotes 3 and 8)', () => {
  test('closes its attempt and keeps the result', () => {
    const job = transition(after(pendingJob(), CLAIM), succeeding(1), at(LATER))
    assert.ok(job.status === 'completed')
    assert.equal(job.completedAt, LATER)
    assert.deepEqual(job.result, result())
    assert.equal(lastAttempt(job)?.outcome, 'completed')
    assert.equal(lastAttempt(job)?.endedAt, LATER)
    assert.equal('lease' in job, false)
  })

  test('that comes late is taken from an attempt that was lost, and its error forgotten', () => {
    const lost = after(pendingJob(), CLAIM, EXPIRED)
    assert.equal(lost.attempts[0]?.errorCode, 'worker_lost')
    const job = transition(lost, succeeding(1), at(LATER))
    assert.equal(job.status, 'completed')
    assert.equal(job.attempts[0]?.outcome, 'completed')
    assert.equal(job.attempts[0]?.errorCode, null)
    assert.equal(job.attempts[0]?.errorMessage, null)
    assert.equal(job.attempts[0]?.endedAt, LATER)
  })

  test('that comes late supersedes the newer attempt that still runs', () => {
    const running = after(pendingJob(), CLAIM, EXPIRED, CLAIM)
    const job = transition(running, succeeding(1), at(LATER))
    assert.equal(job.status, 'completed')
    assert.deepEqual(
      job.attempts.map(({ outcome }) => outcome),
      ['completed', 'superseded'],
    )
    assert.ok(job.attempts.every(({ endedAt }) => endedAt === LATER))
  })

  test('of the newest attempt leaves the history of the older ones alone', () => {
    const job = after(pendingJob(), CLAIM, failing(1), CLAIM, succeeding(2))
    assert.deepEqual(
      job.attempts.map(({ outcome, errorCode }) => [outcome, errorCode]),
      [
        ['failed', 'engine_failed'],
        ['completed', null],
      ],
    )
  })

  for (const [name, end] of [
    ['failed', failing(1, 'invalid_media')],
    ['timeout', DEADLINE],
  ] as const) {
    test(`is taken although the job was given up as ${name}`, () => {
      const job = transition(after(pendingJob(), CLAIM, end), succeeding(1), at(LATER))
      assert.equal(job.status, 'completed')
      assert.equal('error' in job, false)
    })
  }

  test('said again by the same attempt is the same answer, and another one a conflict', () => {
    const job = after(pendingJob(), CLAIM, succeeding(1, 'one'))
    assert.equal(transition(job, succeeding(1, 'one'), at(LATER)), job)
    assert.throws(() => transition(job, succeeding(1, 'other'), at(LATER)), refusedAs('conflict'))
  })

  test('of another attempt with the same result is the same answer', () => {
    const job = after(pendingJob(), CLAIM, EXPIRED, CLAIM, succeeding(2, 'one'))
    assert.equal(transition(job, succeeding(1, 'one'), at(LATER)), job)
  })

  test('of another attempt with another result is a conflict', () => {
    const job = after(pendingJob(), CLAIM, EXPIRED, CLAIM, succeeding(2, 'one'))
    assert.throws(() => transition(job, succeeding(1, 'other'), at(LATER)), refusedAs('conflict'))
  })
})

describe('a failure (footnote 4)', () => {
  test('that may pass puts the job back with a wait, half of it chance', () => {
    const running = after(pendingJob(), CLAIM)
    for (const random of [0, 0.25, 0.999]) {
      const job = transition(running, failing(1), at(LATER, { random }))
      assert.ok(job.status === 'pending')
      assert.equal(job.availableAt, LATER + 7_500 + 7_500 * random)
      assert.equal(job.retryCount, 1)
      assert.equal(job.reserved, null)
      assert.equal(lastAttempt(job)?.outcome, 'failed')
      assert.equal(lastAttempt(job)?.errorCode, 'engine_failed')
      assert.equal(lastAttempt(job)?.endedAt, LATER)
    }
  })

  test('waits longer each time and ends the job after max_retries retries', () => {
    let job: Job = pendingJob({ maxRetries: 3 })
    const waits: number[] = []
    for (let n = 1; n <= 3; n += 1) {
      job = transition(after(job, CLAIM), failing(n), at(LATER, { random: 0 }))
      assert.ok(job.status === 'pending')
      assert.equal(job.retryCount, n)
      waits.push(job.availableAt - LATER)
    }
    assert.deepEqual(waits, [7.5 * SECOND, 15 * SECOND, 30 * SECOND])
    job = transition(after(job, CLAIM), failing(4), at(LATER))
    assert.ok(job.status === 'failed')
    assert.equal(job.retryCount, 3)
    assert.equal(job.completedAt, LATER)
    assert.deepEqual(job.error, {
      code: 'engine_failed',
      message: 'it failed with engine_failed',
    })
  })

  test('is final when the job allows no retries', () => {
    assert.equal(after(pendingJob({ maxRetries: 0 }), CLAIM, failing(1)).status, 'failed')
  })

  for (const code of [
    'invalid_media',
    'no_audio',
    'unsupported_media',
    'source_missing',
    'source_changed',
    'too_large',
    'unsupported_language',
    'invalid',
  ]) {
    test(`with ${code} is final, whatever the worker hopes`, () => {
      const job = after(pendingJob(), CLAIM, failing(1, code, true))
      assert.equal(job.status, 'failed')
      assert.equal(job.retryCount, 0)
    })
  }

  for (const code of ['unsupported_language', 'unsupported_type']) {
    test(`with ${code} gives the job back, for others and without counting`, () => {
      const claim = { ...CLAIM, ability: 'of w1' }
      const failure = failing(1, code, false)
      const job = after(pendingJob(), claim, failure)
      assert.ok(job.status === 'pending')
      assert.deepEqual([job.retryCount, job.availableAt], [0, NOON + 1_000])
      const { outcome, errorCode, ability } = lastAttempt(job)!
      assert.deepEqual([outcome, errorCode, ability], ['released', code, 'of w1'])
      assert.equal(transition(job, failure, at(LATER)), job, 'said again it is the same answer')
    })
  }

  for (const code of [
    'download_failed',
    'engine_failed',
    'engine_missing',
    'model_missing',
    'gpu_out_of_memory',
    'no_space',
    'timeout',
    'stalled',
    'worker_lost',
    'internal',
    'a_code_nobody_knows',
  ]) {
    test(`with ${code} is tried again, unless the worker says that it makes no sense`, () => {
      assert.equal(after(pendingJob(), CLAIM, failing(1, code, true)).status, 'pending')
      assert.equal(after(pendingJob(), CLAIM, failing(1, code, false)).status, 'failed')
    })
  }
})

describe('a release (footnote 5)', () => {
  test('gives the attempt back: the job waits for no one and no retry is counted', () => {
    const running = after(pendingJob({ retryCount: 2 }), CLAIM)
    const job = transition(running, { type: 'release', attempt: 1 }, at(LATER))
    assert.ok(job.status === 'pending')
    assert.equal(job.availableAt, LATER)
    assert.equal(job.retryCount, 2)
    assert.equal(lastAttempt(job)?.outcome, 'released')
    assert.equal(lastAttempt(job)?.errorCode, null)
  })
})

describe('a lost lease (footnote 6)', () => {
  test('is a failure that may pass', () => {
    const job = transition(after(pendingJob(), CLAIM), EXPIRED, at(LATER, { random: 0 }))
    assert.ok(job.status === 'pending')
    assert.equal(job.availableAt, LATER + 7_500)
    assert.equal(job.retryCount, 1)
    assert.equal(lastAttempt(job)?.outcome, 'lost')
    assert.equal(lastAttempt(job)?.errorCode, 'worker_lost')
  })

  test('ends the job when its retries are used up', () => {
    const job = after(pendingJob({ maxRetries: 0 }), CLAIM, EXPIRED)
    assert.ok(job.status === 'failed')
    assert.equal(job.error.code, 'worker_lost')
  })

  test('right after another one ends the job: the file may be killing workers', () => {
    const job = after(pendingJob(), CLAIM, EXPIRED, CLAIM, EXPIRED)
    assert.ok(job.status === 'failed')
    assert.equal(job.error.code, 'worker_lost')
    assert.match(job.error.message, /two workers in a row/)
    assert.equal(job.retryCount, 1)
  })

  test('with a released attempt between is still the second in a row', () => {
    const released: JobEvent = { type: 'release', attempt: 2 }
    const job = after(pendingJob(), CLAIM, EXPIRED, CLAIM, released, CLAIM, EXPIRED)
    assert.equal(job.status, 'failed')
  })

  test('with a failure between is not the second in a row', () => {
    const job = after(pendingJob(), CLAIM, EXPIRED, CLAIM, failing(2), CLAIM, EXPIRED)
    assert.equal(job.status, 'pending')
    assert.equal(job.retryCount, 3)
  })

  test('is nothing that a worker of the old protocol can have: it has only the deadline', () => {
    const job = processing(after(pendingJob(), { ...CLAIM, claimId: null, leased: false }))
    assert.equal(job.lease.expiresAt, null)
    assert.equal(transition(job, EXPIRED, at(LATER)), job)
    assert.equal(transition(job, DEADLINE, at(EVENING)).status, 'timeout')
  })
})

describe('the deadline (footnote 7)', () => {
  test('ends an attempt and its job', () => {
    const job = transition(after(pendingJob(), CLAIM), DEADLINE, at(EVENING))
    assert.ok(job.status === 'timeout')
    assert.equal(job.error.code, 'timeout')
    assert.equal(job.completedAt, EVENING)
    assert.equal(lastAttempt(job)?.outcome, 'timeout')
  })

  test('ends a job that waits only where the queue has a limit', () => {
    const policy = { ...POLICY, queueLimitMs: 1 * MINUTE }
    const job = transition(pendingJob(), DEADLINE, at(LATER, { policy }))
    assert.ok(job.status === 'timeout')
    assert.equal(job.error.code, 'timeout')
    assert.deepEqual(job.attempts, [])
  })

  test('grows with the length of the recording once the worker has said it, from the claim', () => {
    const claimed = processing(transition(pendingJob(), CLAIM, at(NOON)))
    assert.equal(claimed.lease.deadlineAt, NOON + 60 * MINUTE)
    const length = 5 * 3_600
    const told = processing(
      transition(claimed, beating(1, { mediaSeconds: length }), at(NOON + MINUTE)),
    )
    assert.equal(told.lease.deadlineAt, NOON + 4 * length * SECOND)
    const silent = processing(
      transition(told, beating(1, { progress: 0.6 }), at(NOON + 2 * MINUTE)),
    )
    assert.equal(silent.lease.mediaSeconds, length, 'a later beat without it does not forget it')
    assert.equal(silent.lease.deadlineAt, NOON + 4 * length * SECOND)
  })

  test('never moves nearer', () => {
    const claimed = processing(transition(pendingJob(), CLAIM, at(NOON)))
    const long = transition(claimed, beating(1, { mediaSeconds: 18_000 }), at(NOON + 1))
    const short = processing(transition(long, beating(1, { mediaSeconds: 60 }), at(NOON + 2)))
    assert.equal(short.lease.deadlineAt, NOON + 72_000 * SECOND)
  })

  test('that a job sets itself wins over the length of the recording', () => {
    const job = pendingJob({ taskOptions: { timeout_seconds: 120 } })
    const claimed = processing(transition(job, CLAIM, at(NOON)))
    assert.equal(claimed.lease.deadlineAt, NOON + 120 * SECOND)
    const told = transition(claimed, beating(1, { mediaSeconds: 18_000 }), at(NOON + 1))
    assert.equal(processing(told).lease.deadlineAt, NOON + 120 * SECOND)
  })
})

describe('a heartbeat (footnote 9)', () => {
  test('renews the lease and keeps what the worker says', () => {
    const claimed = transition(pendingJob(), CLAIM, at(NOON))
    const job = processing(transition(claimed, beating(1, { mediaSeconds: 60 }), at(LATER)))
    assert.equal(job.lease.expiresAt, LATER + POLICY.leaseMs)
    assert.equal(job.lease.stage, 'transcribe')
    assert.equal(job.lease.progress, 0.5)
    assert.equal(job.lease.processedSeconds, 30)
    assert.equal(job.lease.mediaSeconds, 60)
    assert.equal(job.lease.movedAt, LATER)
    assert.equal(job.lease.claimId, 'c1')
    assert.equal(job.attempts[0]?.endedAt, null)
  })

  test('gives no lease to a worker that has none', () => {
    const claimed = transition(pendingJob(), { ...CLAIM, leased: false }, at(NOON))
    assert.equal(processing(transition(claimed, beating(1), at(LATER))).lease.expiresAt, null)
  })

  test('that says the same as before does not count as movement', () => {
    const claimed = transition(pendingJob(), CLAIM, at(NOON))
    const first = transition(claimed, beating(1), at(NOON + 1_000))
    const second = processing(transition(first, beating(1), at(LATER)))
    assert.equal(second.lease.movedAt, NOON + 1_000)
  })

  for (const [what, moved] of [
    ['stage', { stage: 'decode' }],
    ['progress', { progress: 0.51 }],
    ['processed seconds', { processedSeconds: 31 }],
  ] as const) {
    test(`with another ${what} is movement`, () => {
      const claimed = transition(pendingJob(), CLAIM, at(NOON))
      const first = transition(claimed, beating(1), at(NOON))
      const stalledAt = NOON + POLICY.stallMs
      const job = processing(transition(first, beating(1, moved), at(stalledAt)))
      assert.equal(job.lease.movedAt, stalledAt)
    })
  }

  const WAITING = beating(1, { stage: 'waiting', progress: 0.1 })

  test('from an attempt that waits for its slot never says that it stalled', () => {
    let job = transition(pendingJob(), CLAIM, at(NOON))
    for (let beats = 0; beats < 5; beats += 1) {
      job = transition(job, WAITING, at(NOON + (beats + 1) * POLICY.stallMs))
      assert.equal(processing(job).lease.movedAt, NOON + (beats + 1) * POLICY.stallMs)
    }
    const begun = NOON + 5.5 * POLICY.stallMs
    const works = transition(job, beating(1), at(begun))
    assert.equal(transition(works, beating(1), at(begun + POLICY.stallMs - 1)).status, 'processing')
    assert.equal(transition(works, beating(1), at(begun + POLICY.stallMs)).status, 'pending')
  })

  test('moves the deadline by the time that the attempt waited, and by no other', () => {
    let job = transition(pendingJob(), CLAIM, at(NOON))
    job = transition(job, beating(1, { stage: 'decode' }), at(NOON + 1 * MINUTE))
    job = transition(job, WAITING, at(NOON + 2 * MINUTE))
    job = transition(job, WAITING, at(NOON + 12 * MINUTE))
    assert.equal(processing(job).lease.deadlineAt, NOON + 70 * MINUTE)
    job = transition(job, beating(1), at(NOON + 22 * MINUTE))
    assert.equal(processing(job).lease.waitedMs, 20 * MINUTE)
    job = transition(job, beating(1, { progress: 0.6 }), at(NOON + 29 * MINUTE))
    assert.equal(processing(job).lease.deadlineAt, NOON + 80 * MINUTE)
    assert.equal(transition(job, DEADLINE, at(NOON + 80 * MINUTE - 1)), job)
    assert.equal(transition(job, DEADLINE, at(NOON + 80 * MINUTE)).status, 'timeout')
  })

  test('moves a deadline that grows with the recording by that time too', () => {
    let job = transition(pendingJob(), CLAIM, at(NOON))
    job = transition(job, WAITING, at(NOON))
    job = transition(job, beating(1, { mediaSeconds: 18_000 }), at(NOON + 30 * MINUTE))
    assert.equal(processing(job).lease.deadlineAt, NOON + 30 * MINUTE + 72_000 * SECOND)
  })

  test('that says waiting stops the deadline until the next one', () => {
    const claimed = transition(pendingJob(), CLAIM, at(NOON))
    const job = transition(claimed, WAITING, at(NOON + 59 * MINUTE))
    assert.equal(transition(job, DEADLINE, at(EVENING)), job)
    assert.equal(transition(job, EXPIRED, at(EVENING)).status, 'pending')
  })

  test('of work that has not moved for the stall time is a failure that may pass', () => {
    const claimed = transition(pendingJob(), CLAIM, at(NOON))
    const first = transition(claimed, beating(1), at(NOON))
    const end = NOON + POLICY.stallMs
    assert.equal(transition(first, beating(1), at(end - 1)).status, 'processing')
    const job = transition(first, beating(1), at(end, { random: 0 }))
    assert.ok(job.status === 'pending')
    assert.equal(job.availableAt, end + 7_500)
    assert.equal(job.retryCount, 1)
    assert.equal(lastAttempt(job)?.outcome, 'failed')
    assert.equal(lastAttempt(job)?.errorCode, 'stalled')
    assert.match(lastAttempt(job)?.errorMessage ?? '', /2026-01-02T12:00:00.000Z/)
  })

  test('of stalled work ends the job when its retries are used up', () => {
    const claimed = transition(pendingJob({ maxRetries: 0 }), CLAIM, at(NOON))
    const first = transition(claimed, beating(1), at(NOON))
    const job = transition(first, beating(1), at(NOON + POLICY.stallMs))
    assert.ok(job.status === 'failed')
    assert.equal(job.error.code, 'stalled')
  })
})

describe('by hand', () => {
  test('a cancelled job says when, and which attempt it stopped', () => {
    const job = transition(after(pendingJob(), CLAIM), CANCEL, at(LATER))
    assert.ok(job.status === 'cancelled')
    assert.equal(job.completedAt, LATER)
    assert.equal(lastAttempt(job)?.outcome, 'cancelled')
    assert.equal('lease' in job, false)
  })

  test('a retry starts the count of retries anew and waits for no one', () => {
    const failed = after(pendingJob({ maxRetries: 1 }), CLAIM, failing(1), CLAIM, failing(2))
    assert.equal(failed.status, 'failed')
    const job = transition(failed, RETRY, at(LATER))
    assert.ok(job.status === 'pending')
    assert.equal(job.retryCount, 0)
    assert.equal(job.availableAt, LATER)
    assert.equal(job.reserved, null)
    assert.equal('error' in job, false)
    assert.equal(job.attempts.length, 2)
  })

  test('a reassigned attempt ends as such, and does not count as a retry', () => {
    const running = after(pendingJob({ retryCount: 2 }), CLAIM)
    const job = transition(running, RETRY, at(LATER))
    assert.ok(job.status === 'pending')
    assert.equal(job.retryCount, 2)
    assert.equal(lastAttempt(job)?.outcome, 'reassigned')
  })

  test('a job reassigned to a worker is reserved for it for ten minutes', () => {
    for (const from of [pendingJob(), after(pendingJob(), CLAIM)]) {
      const job = transition(from, { type: 'retry', reserveFor: 'w2' }, at(LATER))
      assert.ok(job.status === 'pending')
      assert.deepEqual(job.reserved, { workerId: 'w2', untilAt: LATER + 10 * MINUTE })
      assert.equal(job.availableAt, LATER)
    }
  })
})

test('nothing about the job itself ever changes on its way', () => {
  const id = newJobId()
  const options = { language: 'en', timeout_seconds: 9 }
  const made = pendingJob({ jobId: id, priority: 7, taskOptions: options, maxRetries: 1 })
  const seen = [made, after(made, CLAIM), after(made, CLAIM, failing(1))]
  seen.push(after(made, CLAIM, failing(1), CLAIM, DEADLINE), after(made, CANCEL, RETRY))
  for (const job of seen) {
    assert.equal(job.jobId, id)
    assert.equal(job.priority, 7)
    assert.deepEqual(job.taskOptions, options)
    assert.deepEqual(job.source, made.source)
    assert.equal(job.createdAt, NOON)
    assert.equal(job.maxRetries, 1)
    assert.equal(job.ingestionTaskId, made.ingestionTaskId)
  }
})
