import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { fromRecord, isJobId, toRecord } from '../../coordinator/storage/record.ts'
import { transition } from '../../coordinator/job/transition.ts'
import type { Job } from '../../coordinator/job/job.ts'
import { STATUSES } from '../../shared/wire.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { after, at, CLAIM, failing, newJobId, NOON, oneOfEach, pendingJob } from './example-jobs.ts'

/** What a file gives back of a job. */
function written(job: Job): Job {
  const text = JSON.stringify(toRecord(job))
  return fromRecord(JSON.parse(text), job.jobId, job.status, NOON + 99_000)
}

describe('what is written down', () => {
  for (const [status, job] of Object.entries(oneOfEach())) {
    test(`of a ${status} job is all of it`, () => {
      assert.deepEqual(written(job), job)
    })
  }

  test('of a job with a history, a reservation and progress is all of it', () => {
    const twice = after(pendingJob(), CLAIM, failing(1), CLAIM, { type: 'lease_expired' })
    const reserved = transition(twice, { type: 'retry', reserveFor: 'w2' }, at(NOON))
    const beat = { stage: 'decode', progress: 0.25, mediaSeconds: 60.5, processedSeconds: 15.125 }
    const running = transition(
      transition(reserved, { ...CLAIM, workerId: 'w2' }, at(NOON)),
      { type: 'heartbeat', attempt: 3, beat },
      at(NOON + 1),
    )
    const waits = { ...beat, stage: 'waiting' }
    const waiting = transition(
      running,
      { type: 'heartbeat', attempt: 3, beat: waits },
      at(NOON + 2),
    )
    for (const job of [twice, reserved, running, waiting]) assert.deepEqual(written(job), job)
  })

  test('of an upload is all of it, and its file need not be there', () => {
    const source = {
      kind: 'upload',
      path: null,
      filename: 'ünï "1".mp3',
      sizeBytes: 2 ** 40,
      sha256: 'ab'.repeat(32),
      modifiedAt: null,
    } as const
    const job = pendingJob({ source })
    assert.deepEqual(written(job), job)
  })

  test('has the keys and the instants of the wire, and leaves the client’s words alone', () => {
    const taskOptions = { webhookUrl: 'u', nested_at: 5, deep: { someAt: 1 } }
    const record = toRecord(pendingJob({ taskOptions })) as Record<string, unknown>
    assert.equal(record['created_at'], '2026-01-02T12:00:00.000Z')
    assert.equal(record['content_type'], 'audio')
    assert.deepEqual(record['task_options'], taskOptions)
    assert.deepEqual(written(pendingJob({ taskOptions })).taskOptions, taskOptions)
  })
})

describe('a record made by hand', () => {
  const now = NOON

  test('needs no more than a content type and a path', () => {
    const file = path.join(tempFolder(), 'talk.mp3')
    writeFileSync(file, 'twelve bytes')
    const jobId = newJobId()
    const raw = { content_type: 'audio', source: { path: file } }
    assert.deepEqual(fromRecord(raw, jobId, 'pending', now), {
      jobId,
      contentType: 'audio',
      ingestionTaskId: jobId,
      submittedBy: null,
      taskOptions: {},
      ingestion: null,
      priority: 0,
      source: {
        kind: 'path',
        path: file,
        filename: 'talk.mp3',
        sizeBytes: 12,
        sha256: null,
        modifiedAt: null,
      },
      createdAt: now,
      maxRetries: 3,
      retryCount: 0,
      attempts: [],
      status: 'pending',
      availableAt: now,
      reserved: null,
    })
  })

  test('is in the state that its folder says, whatever it says itself', () => {
    const raw = toRecord(after(pendingJob(), CLAIM))
    assert.equal(fromRecord(raw, newJobId(), 'pending', now).status, 'pending')
    assert.equal(fromRecord(raw, newJobId(), 'processing', now).status, 'processing')
    assert.equal(fromRecord(raw, newJobId(), 'cancelled', now).status, 'cancelled')
  })

  test('in processing without a lease is a job that waits', () => {
    const raw = toRecord(pendingJob())
    assert.equal(fromRecord(raw, newJobId(), 'processing', now).status, 'pending')
  })

  test('in failed or timeout without a reason says so', () => {
    const raw = toRecord(pendingJob())
    for (const status of ['failed', 'timeout'] as const) {
      const job = fromRecord(raw, newJobId(), status, now)
      assert.ok(job.status === status)
      assert.equal(job.completedAt, now)
      assert.equal(job.error.code, 'internal')
    }
  })

  for (const [what, raw, status] of [
    ['no content type', { source: { path: '/x', size_bytes: 1 } }, 'pending'],
    ['an empty content type', { content_type: '', source: { size_bytes: 1 } }, 'pending'],
    ['no source', { content_type: 'audio' }, 'pending'],
    [
      'a source that is not there',
      { content_type: 'audio', source: { path: '/nowhere/a.mp3' } },
      'pending',
    ],
    [
      'an instant that is none',
      { content_type: 'audio', source: { size_bytes: 1 }, created_at: 'yesterday' },
      'pending',
    ],
    [
      'retries below zero',
      { content_type: 'audio', source: { size_bytes: 1 }, max_retries: -1 },
      'pending',
    ],
    ['no result in completed', { content_type: 'audio', source: { size_bytes: 1 } }, 'completed'],
    ['a list', [], 'pending'],
    ['nothing', null, 'pending'],
  ] as const) {
    test(`with ${what} makes no job`, () => {
      assert.throws(() => fromRecord(raw, newJobId(), status, now))
    })
  }

  test('under a name that is no job id makes no job', () => {
    const raw = { content_type: 'audio', source: { size_bytes: 1 } }
    for (const status of STATUSES)
      assert.throws(() => fromRecord(raw, '../../etc/passwd', status, now), /not a job id/)
  })
})

test('only a lower-case UUID is a job id', () => {
  const good = '0190c2a4-5b7e-7c3d-9f10-aabbccddeeff'
  assert.ok(isJobId(good))
  for (const bad of [
    '',
    'job',
    good.toUpperCase(),
    ` ${good}`,
    `${good}\n`,
    `${good}0`,
    good.slice(1),
    good.replaceAll('-', ''),
    `../${good}`,
    `${good}/..`,
  ])
    assert.equal(isJobId(bad), false, JSON.stringify(bad))
})
