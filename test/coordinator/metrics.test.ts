import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { factsOf, stepFacts } from '../../coordinator/metrics/job-facts.ts'
import { startContinuation, afterTry } from '../../coordinator/job/continuation.ts'
import type { CompletedJob, Job } from '../../coordinator/job/job.ts'
import { MINUTE } from '../../shared/duration.ts'
import { listenTo } from './event-stream.ts'
import { NOON, pendingJob, POLICY } from './example-jobs.ts'
import { transition } from '../../coordinator/job/transition.ts'
import { claim, claimedJob, createJob, startRunning, until, type Running } from './running.ts'

/** Every sample by its name and labels, as they are written. */
async function scrape(running: Running): Promise<Map<string, number>> {
  const answer = await fetch(`${running.url}/metrics`)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const lines = (await answer.text()).split('\n')
  return new Map(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ')
        return [line.slice(0, at), Number(line.slice(at + 1))]
      }),
  )
}

describe('the metrics of a running coordinator', () => {
  it('say what there is and what has happened', async (t) => {
    const running = await startRunning(t)
    await createJob(running, { content_type: 'video' })
    const done = await claimedJob(running)
    const result = {
      success: true,
      content: 'Hello.',
      metadata: { duration: 120 },
      lease_token: done.lease_token,
    }
    await running.ask('PUT', `/remote-jobs/${done.job_id}/result`, { json: result })
    const failed = await claimedJob(running)
    const json = {
      success: false,
      error_message: 'It is no media.',
      error_code: 'invalid_media',
      lease_token: failed.lease_token,
    }
    await running.ask('PUT', `/remote-jobs/${failed.job_id}/result`, { json })
    const passing = await claimedJob(running)
    const again = { success: false, error_code: 'made up', lease_token: passing.lease_token }
    await running.ask('PUT', `/remote-jobs/${passing.job_id}/result`, { json: again })
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('file', new Blob(['0123456789']), 'ten.mp3')
    await fetch(`${running.url}/api/v1/remote-jobs/`, { method: 'POST', body: form })
    const beat = { state: 'running', version: '1', slots: 1, jobs: [] }
    await running.ask('POST', '/workers/w1/heartbeat', { json: beat })

    const found = await scrape(running)
    const expected = {
      'morag_jobs{status="pending",content_type="audio"}': 2,
      'morag_jobs{status="pending",content_type="video"}': 1,
      'morag_jobs{status="completed",content_type="audio"}': 1,
      'morag_jobs{status="failed",content_type="audio"}': 1,
      'morag_jobs_created_total{content_type="audio"}': 4,
      'morag_jobs_ended_total{content_type="audio",status="completed"}': 1,
      'morag_claims_total{content_type="audio"}': 3,
      'morag_attempts_total{outcome="completed",error_code="none"}': 1,
      'morag_attempts_total{outcome="failed",error_code="invalid_media"}': 1,
      'morag_attempts_total{outcome="failed",error_code="other"}': 1,
      'morag_retries_total{content_type="audio"}': 1,
      morag_leases_lost_total: 0,
      'morag_queue_wait_seconds_count{content_type="audio"}': 3,
      'morag_processing_seconds_count{content_type="audio"}': 1,
      'morag_media_seconds_sum{content_type="audio"}': 120,
      morag_upload_bytes_total: 10,
      'morag_workers{state="running"}': 1,
      'morag_workers{state="lost"}': 0,
      morag_journal_failing: 0,
      morag_event_streams: 0,
      morag_long_polls: 0,
      'morag_http_requests_total{method="PUT",route="/remote-jobs/:id/result",status="200"}': 3,
    }
    for (const [sample, value] of Object.entries(expected))
      assert.equal(found.get(sample), value, sample)
    assert.ok(found.has('morag_queue_work_seconds{content_type="audio"}'))
    assert.ok(found.has('morag_queue_drain_seconds{content_type="audio"}'))
    assert.ok(!found.has('morag_queue_work_seconds{content_type="video"}'), 'none has completed')
    for (const sample of [
      'morag_queue_oldest_age_seconds{content_type="video"}',
      'morag_disk_free_bytes',
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'process_cpu_seconds_total',
      'process_start_time_seconds',
    ])
      assert.ok((found.get(sample) ?? 0) > 0, sample)
    assert.ok(found.has('morag_event_loop_delay_seconds{quantile="0.99"}'))
    assert.equal((await running.ask('GET', '/metrics')).status, 200)
  })

  it('count what waits and listens', async (t) => {
    const running = await startRunning(t)
    const leave = new AbortController()
    const waiting = claim(running, { wait_seconds: 60 }, leave.signal).catch(() => [])
    await listenTo(t, `${running.url}/api/v1/events`)
    await until(async () => (await scrape(running)).get('morag_long_polls') === 1)
    assert.equal((await scrape(running)).get('morag_event_streams'), 1)
    leave.abort()
    await waiting
    const cut = 'morag_http_requests_total{method="POST",route="/remote-jobs/claim",status="cut"}'
    await until(async () => (await scrape(running)).get(cut) === 1)
  })

  it('take the words of clients for labels only where they are known', async (t) => {
    const running = await startRunning(t)
    for (const content_type of ['one', 'two', 'a"b\n}']) await createJob(running, { content_type })
    await running.ask('GET', '/remote-jobs/no-such-job')
    await fetch(`${running.url}/api/v1/nowhere/at/all`)
    const found = await scrape(running)
    assert.equal(found.get('morag_jobs{status="pending",content_type="other"}'), 3)
    assert.equal(found.get('morag_jobs_created_total{content_type="other"}'), 3)
    const labels = [...found.keys()].join('\n')
    assert.doesNotMatch(labels, /one|two|a"b|no-such-job|nowhere/)
    const nowhere = 'morag_http_requests_total{method="GET",route="other",status="404"}'
    await until(async () => (await scrape(running)).get(nowhere) === 1)
  })

  it('count the bytes of an upload while it comes, and of a download', async (t) => {
    const running = await startRunning(t)
    const { port } = new URL(running.url)
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    const head = [
      'POST /api/v1/remote-jobs HTTP/1.1',
      'host: here',
      'content-type: multipart/form-data; boundary=x',
      'content-length: 1000000',
      '\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n',
    ]
    socket.write(head.join('\r\n') + 'a'.repeat(100_000))
    const received = 'morag_http_received_bytes_total{route="/remote-jobs"}'
    await until(async () => ((await scrape(running)).get(received) ?? 0) > 100_000)
    socket.destroy()

    const file = running.file('long.mp3', 'b'.repeat(200_000))
    const job = await claimedJob(running, { source_file_path: file })
    const headers = { 'morag-lease': job.lease_token }
    const { text } = await running.ask('GET', `/remote-jobs/${job.job_id}/download`, { headers })
    assert.equal(text.length, 200_000)
    const sent = 'morag_http_sent_bytes_total{route="/remote-jobs/:id/download"}'
    await until(async () => ((await scrape(running)).get(sent) ?? 0) > 200_000)
  })

  it('need the key where there is one', async (t) => {
    const running = await startRunning(t, { apiKey: 'k'.repeat(40) })
    for (const route of ['/metrics', '/api/v1/metrics', '/api/v1/events'])
      assert.equal((await fetch(running.url + route)).status, 401, route)
  })
})

describe('what a change of a job means to who counts', () => {
  const after = (job: Job, event: Parameters<typeof transition>[1], now: number): Job =>
    transition(job, event, { now, random: 0.5, policy: POLICY })
  const taken = { type: 'claim', workerId: 'w1', claimId: 'c', leased: true } as const

  it('is a claim, with how long the job could be had', () => {
    const job = pendingJob({ createdAt: NOON - MINUTE, availableAt: NOON })
    const running = after(job, taken, NOON + 3_000)
    assert.equal(factsOf(job, running).claimedAfterSeconds, 3)
    assert.equal(factsOf(null, job).claimedAfterSeconds, null)
    assert.equal(factsOf(null, job).created, true)
  })

  it('is a lost lease and another try', () => {
    const running = after(pendingJob({ availableAt: NOON }), taken, NOON)
    const lost = after(running, { type: 'lease_expired' }, NOON + POLICY.leaseMs)
    const facts = factsOf(running, lost)
    assert.deepEqual(facts.attempts, [{ outcome: 'lost', errorCode: 'worker_lost' }])
    assert.equal(facts.retried, true)
    assert.equal(facts.ended, null)
  })

  it('is no other try when a worker gives a job back', () => {
    const running = after(pendingJob({ availableAt: NOON }), taken, NOON)
    const released = after(running, { type: 'release', attempt: 1 }, NOON + 1)
    assert.equal(factsOf(running, released).retried, false)
    assert.deepEqual(factsOf(running, released).attempts, [
      { outcome: 'released', errorCode: 'none' },
    ])
  })

  it('is the work of an attempt without its wait for a slot', () => {
    const running = after(pendingJob({ availableAt: NOON }), taken, NOON)
    const waiting = {
      type: 'heartbeat',
      attempt: 1,
      beat: { stage: 'waiting', progress: 0, mediaSeconds: null, processedSeconds: null },
    } as const
    const waited = after(after(running, waiting, NOON + 10_000), waiting, NOON + 30_000)
    const result = { digest: 'd', processingSeconds: null, mediaSeconds: 60, body: null }
    const done = after(waited, { type: 'succeed', attempt: 1, result }, NOON + 50_000)
    assert.deepEqual(factsOf(waited, done).completed, { processingSeconds: 30, mediaSeconds: 60 })
    assert.equal(factsOf(waited, done).ended, 'completed')
  })

  it('is a try of what follows its end, and how that went', () => {
    const running = after(pendingJob({ availableAt: NOON }), taken, NOON)
    const result = { digest: 'd', processingSeconds: null, mediaSeconds: null, body: null }
    const done = after(running, { type: 'succeed', attempt: 1, result }, NOON) as CompletedJob
    const start = startContinuation('id', ['webhook', 'folder'], NOON)!
    const first = { ...done, continuation: start }
    const context = { now: NOON, random: 0 }
    const failed = { done: false, message: 'no', final: false, retryAfterMs: null } as const
    const second = { ...done, continuation: afterTry(start, 'webhook', failed, context) }
    assert.deepEqual(stepFacts(first, second), [{ step: 'webhook', outcome: 'retry' }])
    const third = {
      ...done,
      continuation: afterTry(second.continuation, 'webhook', { done: true }, context),
    }
    assert.deepEqual(stepFacts(second, third), [{ step: 'webhook', outcome: 'done' }])
    assert.deepEqual(stepFacts(third, third), [])
  })
})
