import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { JobIndex } from '../../coordinator/storage/job-index.ts'
import type { JobQuery } from '../../coordinator/storage/job-store.ts'
import type { Job } from '../../coordinator/job/job.ts'
import { after, CLAIM, failing, pendingJob } from './example-jobs.ts'

function indexOf(...jobs: Job[]): JobIndex {
  const index = new JobIndex()
  for (const job of jobs) index.change(null, job)
  return index
}

describe('the index of jobs', () => {
  const old = pendingJob({ createdAt: 1, submittedBy: 'a', jobId: 'old' })
  const young = pendingJob({ createdAt: 2, submittedBy: 'b', jobId: 'young' })
  const twin = pendingJob({ createdAt: 2, submittedBy: 'a', jobId: 'twin' })

  const ids = (index: JobIndex, query?: JobQuery): string[] => [...index.newest(query)]

  test('lists by creation, newest first, then by id', () => {
    const index = indexOf(young, old, twin)
    assert.deepEqual(ids(index), ['young', 'twin', 'old'])
    assert.deepEqual(ids(index, { before: young }), ['twin', 'old'])
    assert.deepEqual(ids(index, { before: { createdAt: 2, jobId: '' } }), ['old'])
  })

  test('lists the jobs of one submitter, or of one status, without looking at the others', () => {
    const running = after(twin, CLAIM)
    const index = indexOf(young, old, twin)
    index.change(twin, running)
    assert.deepEqual(ids(index, { submittedBy: 'a' }), ['twin', 'old'])
    assert.deepEqual(ids(index, { submittedBy: 'c' }), [])
    assert.deepEqual(ids(index, { submittedBy: null }), [])
    assert.deepEqual(ids(index, { status: 'processing' }), ['twin'])
    assert.deepEqual(ids(index, { status: 'failed', submittedBy: 'a' }), [])
    assert.deepEqual([...index.inStatus('pending')], ['old', 'young'])
  })

  test('knows what a worker holds, as long as it does', () => {
    const running = after(young, CLAIM)
    const index = indexOf(young)
    const held = (): string[] => [...index.heldBy('w1')]
    assert.deepEqual(held(), [])
    index.change(young, running)
    assert.deepEqual(held(), ['young'])
    index.change(running, after(running, failing(1)))
    assert.deepEqual(held(), [])
  })

  test('knows the jobs of a task, those named by nobody, too', () => {
    const job = pendingJob({ jobId: 'task', ingestionTaskId: 'task' })
    const other = pendingJob({ jobId: 'other', ingestionTaskId: 'task' })
    const index = indexOf(job, other)
    assert.deepEqual(index.ofTask('task'), ['task', 'other'])
    index.change(other, null)
    assert.deepEqual(index.ofTask('task'), ['task'])
  })

  test('forgets a job that is removed', () => {
    const running = after(young, CLAIM)
    const index = indexOf(running)
    index.change(running, null)
    assert.deepEqual(ids(index), [])
    assert.deepEqual([...index.inStatus('processing'), ...index.heldBy('w1')], [])
    assert.deepEqual(ids(index, { submittedBy: 'b' }), [])
  })
})
