import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { taskAnswer } from '../../shared/wire-ingestion.ts'
import { claim, claimedJob, createJob, startRunning, type Running } from '../coordinator/running.ts'

async function task(running: Running, id: string): Promise<Record<string, unknown>> {
  const { status, body, text } = await running.ask('GET', `/status/${encodeURIComponent(id)}`)
  assert.equal(status, 200, text)
  taskAnswer.parse(body)
  return body
}

async function finish(running: Running, different: object): Promise<void> {
  const [job] = await claim(running)
  const json = { lease_token: job!.lease_token, ...different }
  const { status, text } = await running.ask('PUT', `/remote-jobs/${job!.job_id}/result`, { json })
  assert.equal(status, 200, text)
}

describe('a task is in the state of its job, in Celery’s words', () => {
  test('waiting, begun, done with its result', async (t) => {
    const running = await startRunning(t)
    const jobId = await createJob(running, { ingestion_task_id: 'one' })
    const waiting = await task(running, 'one')
    assert.equal(waiting['status'], 'PENDING')
    assert.equal(waiting['state'], 'pending')
    assert.equal(waiting['progress'], 0)
    assert.equal(waiting['result'], null)
    assert.equal(waiting['job_id'], jobId)
    const [job] = await claim(running)
    const beat = {
      job_id: jobId,
      lease_token: job!.lease_token,
      stage: 'transcribe',
      progress: 0.4,
    }
    await running.ask('POST', '/workers/w1/heartbeat', {
      json: { state: 'running', version: '1', slots: 1, jobs: [beat] },
    })
    const begun = await task(running, 'one')
    assert.equal(begun['status'], 'STARTED')
    assert.equal(begun['state'], 'running')
    assert.equal(begun['progress'], 0.4)
    assert.equal(begun['estimate_basis'], 'progress')
    assert.equal(begun['message'], 'transcribe')
    const json = {
      lease_token: job!.lease_token,
      success: true,
      content: 'Hello.',
      metadata: { own_key: { nested_key: 1 } },
    }
    await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
    const done = await task(running, 'one')
    assert.equal(done['status'], 'SUCCESS')
    assert.equal(done['state'], 'completed')
    assert.deepEqual([done['estimated_time_remaining'], done['estimate_basis']], [0, null])
    assert.equal(done['progress'], 1)
    assert.deepEqual(done['result'], {
      content: 'Hello.',
      metadata: { own_key: { nested_key: 1 } },
    })
    assert.equal(done['error'], null)
  })

  test('failed once and waiting again, then failed for good', async (t) => {
    const running = await startRunning(t)
    await createJob(running, { ingestion_task_id: 'one' })
    await finish(running, {
      success: false,
      error_message: 'No engine.',
      error_code: 'engine_failed',
    })
    const again = await task(running, 'one')
    assert.equal(again['status'], 'RETRY')
    assert.equal(again['state'], 'pending')
    assert.equal(again['job_status'], 'pending')
    await createJob(running, { ingestion_task_id: 'two' })
    await finish(running, { success: false, error_message: 'No sound.', error_code: 'no_audio' })
    const failed = await task(running, 'two')
    assert.equal(failed['status'], 'FAILURE')
    assert.equal(failed['state'], 'failed')
    assert.equal(failed['error'], 'No sound.')
    assert.equal(failed['progress'], 1)
  })

  test('cancelled', async (t) => {
    const running = await startRunning(t)
    const { job_id: jobId } = await claimedJob(running, { ingestion_task_id: 'one' })
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    const cancelled = await task(running, 'one')
    assert.equal(cancelled['status'], 'REVOKED')
    assert.equal(cancelled['state'], 'cancelled')
  })
})

describe('the first job of a type', () => {
  test('has an estimate, which says that it is a guess, and for whom it waits', async (t) => {
    const running = await startRunning(t)
    const source_file_path = running.file('talk.wav', 'x'.repeat(160_000))
    const jobId = await createJob(running, { ingestion_task_id: 'one', source_file_path })
    // 10 s for the start, and 10 s of sound.
    const alone = await task(running, 'one')
    assert.equal(alone['estimated_time_remaining'], 20)
    assert.equal(alone['estimate_basis'], 'prior')
    assert.equal(alone['estimated_completion'], null, 'nobody is here')
    assert.equal(alone['waiting_for'], 'a worker for audio')
    await claim(running, { content_types: ['audio'], max_jobs: 1 })
    const begun = await task(running, 'one')
    const at = Date.parse(String(begun['created_at'])) + 20_000
    assert.ok(Math.abs(Date.parse(String(begun['estimated_completion'])) - at) < 5_000)
    assert.ok(Number(begun['estimated_time_remaining']) > 10)
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}/status`)
    assert.equal(body['estimated_completion'], begun['estimated_completion'])
    assert.equal(body['estimate_basis'], 'prior')
  })
})

describe('the id of a task', () => {
  test('is the client’s own, whatever is in it', async (t) => {
    const running = await startRunning(t)
    const id = 'course/7 – Übung?#%'
    const jobId = await createJob(running, { ingestion_task_id: id })
    const found = await task(running, id)
    assert.equal(found['task_id'], id)
    assert.equal(found['job_id'], jobId)
  })

  test('names the newest of its jobs, and the one before once that is gone', async (t) => {
    const running = await startRunning(t)
    const first = await createJob(running, { ingestion_task_id: 'both' })
    const second = await createJob(running, { ingestion_task_id: 'both' })
    assert.equal((await task(running, 'both'))['job_id'], second)
    await running.ask('POST', `/remote-jobs/${second}/cancel`)
    await running.ask('DELETE', `/remote-jobs/${second}`)
    assert.equal((await task(running, 'both'))['job_id'], first)
    await running.ask('POST', `/remote-jobs/${first}/cancel`)
    await running.ask('DELETE', `/remote-jobs/${first}`)
    const { status, body } = await running.ask('GET', '/status/both')
    assert.equal(status, 404)
    assert.match(String(body['detail']), /no task both/)
  })

  test('is known after a restart', async (t) => {
    const running = await startRunning(t)
    const jobId = await createJob(running, { ingestion_task_id: 'kept' })
    await running.stop()
    const again = await startRunning(t, { root: running.root })
    assert.equal((await task(again, 'kept'))['job_id'], jobId)
  })
})
