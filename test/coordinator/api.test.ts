import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { describe, test } from 'node:test'
import { MINUTE } from '../../shared/duration.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
} from './running.ts'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'

async function finish(running: Running, job: Claimed, json: object = {}): Promise<Answer> {
  return await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, {
    json: { success: true, lease_token: job.lease_token, ...json },
  })
}

async function failed(running: Running): Promise<string> {
  const job = await claimedJob(running)
  await finish(running, job, {
    success: false,
    error_code: 'invalid_media',
    error_message: 'noise',
  })
  return job.job_id
}

describe('GET /remote-jobs/', () => {
  const list = async (running: Running, query = ''): Promise<Record<string, unknown>[]> => {
    const { status, body, text } = await running.ask('GET', `/remote-jobs/${query}`)
    assert.equal(status, 200, text)
    return body['jobs'] as Record<string, unknown>[]
  }
  const ids = (jobs: Record<string, unknown>[]): unknown[] => jobs.map((job) => job['job_id'])

  test('lists the newest first, each with its status and file and without secrets', async (t) => {
    const running = await startRunning(t)
    const made = [
      await createJob(running),
      await createJob(running, {
        content_type: 'video',
        priority: 3,
        task_options: { token: 'x' },
      }),
    ]
    const jobs = await list(running)
    assert.deepEqual(ids(jobs), made.toReversed())
    const [newest] = jobs
    assert.equal(newest?.['content_type'], 'video')
    assert.equal(newest?.['status'], 'pending')
    assert.equal(newest?.['filename'], 'talk.mp3')
    assert.equal(newest?.['size_bytes'], 21)
    assert.equal(newest?.['priority'], 3)
    assert.equal(newest?.['ingestion_task_id'], 'task-1')
    assert.ok(!('task_options' in newest!))
  })

  test('can be narrowed by status, content type and worker', async (t) => {
    const running = await startRunning(t)
    const waiting = await createJob(running, { content_type: 'video' })
    const { job_id: held } = await claimedJob(running)
    assert.deepEqual(ids(await list(running, '?status=pending')), [waiting])
    assert.deepEqual(ids(await list(running, '?content_type=audio')), [held])
    assert.deepEqual(ids(await list(running, '?worker_id=w1')), [held])
    assert.deepEqual(ids(await list(running, '?worker_id=w1&status=pending')), [])
    assert.deepEqual(ids(await list(running, '?colour=blue')), [held, waiting])
  })

  test('goes on where a page ended, whatever happens in between', async (t) => {
    const running = await startRunning(t)
    const made: string[] = []
    for (let i = 0; i < 5; i += 1) made.unshift(await createJob(running))
    const first = await running.ask('GET', '/remote-jobs/?limit=2')
    assert.deepEqual(ids(first.body['jobs'] as []), made.slice(0, 2))
    await createJob(running)
    await running.ask('DELETE', `/remote-jobs/${made[1]}`)
    await running.ask('DELETE', `/remote-jobs/${made[2]}`)
    const cursor = String(first.body['next_cursor'])
    const second = await running.ask('GET', `/remote-jobs/?limit=2&cursor=${cursor}`)
    assert.deepEqual(ids(second.body['jobs'] as []), made.slice(3))
    assert.equal(second.body['next_cursor'], null)
  })

  for (const query of [
    'status=odd',
    'limit=0',
    'limit=501',
    'limit=x',
    'cursor=odd',
    'content_type=',
  ]) {
    test(`with ${query} is a 422`, async (t) => {
      const running = await startRunning(t)
      const { status, body } = await running.ask('GET', `/remote-jobs/?${query}`)
      assert.equal(status, 422)
      assert.equal(body['code'], 'invalid')
      const detail = body['detail'] as { loc: string[] }[]
      assert.deepEqual(detail[0]?.loc, ['query', query.split('=')[0]])
    })
  }
})

describe('GET /remote-jobs/{id}', () => {
  test('tells everything but secrets, tokens and where the file lies', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running, {
      task_options: { language: 'en', webhook_config: { auth_token: 'hush' } },
    })
    const [job] = await claim(running)
    const { body, text } = await running.ask('GET', `/remote-jobs/${id}`)
    assert.deepEqual(body['task_options'], { language: 'en' })
    assert.deepEqual(body['source'], {
      kind: 'path',
      url: null,
      filename: 'talk.mp3',
      size_bytes: 21,
      sha256: null,
    })
    const [attempt] = body['attempts'] as Record<string, unknown>[]
    assert.equal(attempt?.['number'], 1)
    assert.equal(attempt['worker_id'], 'w1')
    assert.equal(attempt['leased'], true)
    assert.equal(attempt['ended_at'], null)
    assert.ok(body['lease'])
    assert.equal(body['result'], null)
    for (const secret of ['hush', job!.lease_token, running.mediaRoot, 'claim'])
      assert.ok(!text.includes(secret), secret)
  })

  test('tells of a completed job how long it took and how long its recording is', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    await finish(running, job, { processing_time: 2, metadata: { duration: 9.5 } })
    const { body } = await running.ask('GET', `/remote-jobs/${job.job_id}`)
    assert.deepEqual(body['result'], { processing_seconds: 2, media_seconds: 9.5 })
    assert.equal(body['lease'], null)
  })
})

describe('a transcript', () => {
  const segments = [
    { start: 0, end: 1.5, text: 'Hello.', speaker: 'Speaker_00' },
    { start: 3_725, end: 3_726, text: 'Bye.' },
  ]

  for (const [form, type, said] of [
    ['md', 'text/markdown', /^# A – ü$/],
    ['json', 'application/json', /"segments": \[/],
    ['srt', 'application/x-subrip', /1\n00:00:00,000 --> 00:00:01,500\n.*Hello\./],
    ['vtt', 'text/vtt', /^WEBVTT\n/],
    ['txt', 'text/plain', /Hello\.[^]*Bye\./],
    ['chunks.jsonl', 'application/x-ndjson', /^\{"id":"[-\w]+-0","text":"[^]*"href":"\/\?job=/],
  ] as const) {
    test(`can be had as ${form}`, async (t) => {
      const running = await startRunning(t)
      const job = await claimedJob(running)
      await finish(running, job, { content: '# A – ü', metadata: { segments } })
      const route = `/remote-jobs/${job.job_id}/result.${form}`
      const { status, headers, text } = await running.ask('GET', route)
      assert.equal(status, 200)
      assert.equal(headers.get('content-type'), `${type}; charset=utf-8`)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.match(text, said)
    })
  }

  test('whose file is damaged, or gone, is reported, and the job stays as it is', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const { job_id: id } = job
    await finish(running, job, { content: 'word '.repeat(2_000) })
    const file = path.join(running.dataDir, 'results', `${id}.json`)
    writeFileSync(file, readFileSync(file).subarray(0, 1_000))
    const damaged = await running.ask('GET', `/remote-jobs/${id}/result`)
    const said = { detail: `The result file of job ${id} is damaged.`, code: 'internal' }
    assert.deepEqual([damaged.status, damaged.body], [500, said])
    rmSync(file)
    const gone = await running.ask('GET', `/remote-jobs/${id}/result`)
    assert.deepEqual([gone.status, gone.body['code']], [404, 'not_found'])
    const { body } = await running.ask('GET', `/remote-jobs/${id}/status`)
    assert.equal(body['status'], 'completed')
  })

  test('is not there before the job has completed, nor of an unknown job', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    for (const form of ['', '.md', '.json']) {
      const early = await running.ask('GET', `/remote-jobs/${id}/result${form}`)
      assert.deepEqual([early.status, early.body['code']], [409, 'conflict'])
      const unknown = await running.ask('GET', `/remote-jobs/${UNKNOWN}/result${form}`)
      assert.deepEqual([unknown.status, unknown.body['code']], [404, 'not_found'])
    }
  })
})

describe('an operator', () => {
  const act = async (running: Running, id: string, verb: string, json?: object): Promise<Answer> =>
    await running.ask('POST', `/remote-jobs/${id}/${verb}`, json && { json })

  test('cancels what waits, runs or has failed, once or twice, but not what has completed', async (t) => {
    const running = await startRunning(t)
    const waiting = await createJob(running, { content_type: 'video' })
    const { job_id: held } = await claimedJob(running)
    for (const id of [waiting, held, await failed(running), waiting]) {
      const { status, body } = await act(running, id, 'cancel')
      assert.equal(status, 200)
      assert.equal(body['status'], 'cancelled')
      assert.equal(body['job_id'], id)
    }
    assert.deepEqual(await claim(running, { content_types: ['audio', 'video'] }), [])
    const done = await claimedJob(running)
    await finish(running, done)
    const refused = await act(running, done.job_id, 'cancel')
    assert.deepEqual([refused.status, refused.body['code']], [409, 'conflict'])
  })

  test('retries what has ended without a result, with a fresh count, and at once', async (t) => {
    const running = await startRunning(t)
    const id = await failed(running)
    const { status, body } = await act(running, id, 'retry')
    assert.deepEqual([status, body['status'], body['retry_count']], [200, 'pending', 0])
    const again = await act(running, id, 'retry')
    assert.deepEqual([again.status, again.body['code']], [409, 'conflict'])
    const [job] = await claim(running)
    assert.deepEqual([job?.job_id, job?.attempt], [id, 2])
    await finish(running, job!)
    assert.equal((await act(running, id, 'retry')).status, 409)
  })

  test('reassigns to a worker, or to any worker', async (t) => {
    const running = await startRunning(t)
    const { job_id: id } = await claimedJob(running)
    const { status, body } = await act(running, id, 'reassign', { worker_id: 'w2' })
    assert.deepEqual([status, body['status']], [200, 'pending'])
    assert.deepEqual(await claim(running), [])
    assert.equal((await claim(running, { worker_id: 'w2' }))[0]?.job_id, id)
    assert.equal((await act(running, id, 'reassign')).status, 200)
    assert.equal((await claim(running))[0]?.attempt, 3)
    assert.equal((await act(running, id, 'reassign', { worker_id: '' })).status, 422)
  })

  test('gets a 404 for a job that is not there', async (t) => {
    const running = await startRunning(t)
    for (const verb of ['cancel', 'retry', 'reassign', 'release']) {
      const json = { lease_token: 'x' }
      const { status, body } = await act(running, UNKNOWN, verb, json)
      assert.deepEqual([status, body['code']], [404, 'not_found'])
    }
    assert.equal((await running.ask('GET', `/remote-jobs/${UNKNOWN}`)).status, 404)
    assert.equal((await running.ask('GET', `/remote-jobs/${UNKNOWN}/download`)).status, 404)
  })

  test('sees who is there, with what they work on and since when', async (t) => {
    const running = await startRunning(t)
    const job = await claimedJob(running)
    const beat = {
      job_id: job.job_id,
      lease_token: job.lease_token,
      stage: 'decode',
      progress: 0.5,
    }
    const said = {
      capabilities: {
        engines: ['whisper-cpp'],
        models: ['base'],
        languages: null,
        features: ['words'],
      },
      devices: [{ index: 0, name: 'a GPU', memory_mb: 8192, driver: '550', kind: 'cuda' }],
      paused: [{ slot: 2, reason: 'three failures', until: null }],
    }
    await running.ask('POST', '/workers/w1/heartbeat', {
      json: { state: 'running', version: '1.2', slots: 3, device: 'a GPU', jobs: [beat], ...said },
    })
    await running.ask('GET', '/remote-jobs/poll?worker_id=old&content_types=video')
    const { body, text } = await running.ask('GET', '/workers')
    const [one, two] = body['workers'] as Record<string, unknown>[]
    const { first_seen_at: first, last_seen_at: last, jobs, ...rest } = one!
    assert.deepEqual(rest, {
      worker_id: 'w1',
      state: 'running',
      version: '1.2',
      slots: 3,
      device: 'a GPU',
      content_types: ['audio'],
      directive: 'run',
      set_aside: null,
      ...said,
    })
    assert.ok(String(first) <= String(last))
    const [doing] = jobs as Record<string, unknown>[]
    assert.deepEqual(
      [doing?.['job_id'], doing?.['stage'], doing?.['progress']],
      [job.job_id, 'decode', 0.5],
    )
    assert.match(String(doing?.['started_at']), /Z$/)
    assert.equal(two?.['worker_id'], 'old')
    assert.deepEqual(two['jobs'], [])
    assert.equal(two['capabilities'], null)
    assert.ok(!text.includes(job.lease_token))
  })

  test('drains a worker and lets it go on', async (t) => {
    const running = await startRunning(t)
    assert.deepEqual(await claim(running), [])
    const id = await createJob(running)
    const { status, body } = await running.ask('POST', '/workers/w1/drain')
    assert.deepEqual([status, body['worker_id'], body['directive']], [200, 'w1', 'drain'])
    assert.deepEqual(await claim(running, { wait_seconds: 30 }), [])
    const polled = await running.ask('GET', '/remote-jobs/poll?worker_id=w1&content_types=audio')
    assert.equal(polled.body['job_id'], null)
    // That is the coordinator itself, which nothing would drain.
    assert.equal((await running.ask('POST', '/workers/local/drain')).status, 422)
    assert.equal((await running.ask('POST', '/workers/w1/resume')).body['directive'], 'run')
    assert.equal((await claim(running))[0]?.job_id, id)
  })
})

test('a waiting job tells its place and, once others have completed, when it may be done', async (t) => {
  const running = await startRunning(t)
  const status = async (id: string): Promise<Answer['body']> =>
    (await running.ask('GET', `/remote-jobs/${id}/status`)).body
  await finish(running, await claimedJob(running), { metadata: { duration: 60 } })
  const ids = [await createJob(running), await createJob(running), await createJob(running)]
  const places = await Promise.all(ids.map(async (id) => (await status(id))['queue_position']))
  assert.deepEqual(places, [1, 2, 3])
  // In this order: each is counted from the time of its request.
  const first = Date.parse(String((await status(ids[0]!))['estimated_completion']))
  const last = Date.parse(String((await status(ids[2]!))['estimated_completion']))
  assert.ok(first <= last && last < Date.now() + MINUTE)
  const urgent = await createJob(running, { priority: 9 })
  assert.equal((await status(urgent))['queue_position'], 1)
  assert.equal((await status(ids[0]!))['queue_position'], 2)
  await claim(running)
  const held = await status(urgent)
  assert.equal(held['queue_position'], null)
  assert.match(String(held['estimated_completion']), /Z$/)
  // What was learned is learned again at the next start.
  await running.stop()
  const again = await startRunning(t, { root: running.root })
  assert.equal((await claim(again))[0]?.job_id, ids[0])
  const later = await again.ask('GET', `/remote-jobs/${ids[1]}/status`)
  assert.match(String(later.body['estimated_completion']), /Z$/)
})

test('secrets are in no line of the log, whatever is asked', async (t) => {
  const apiKey = 'the-key-of-all'
  const running = await startRunning(t, { apiKey })
  const headers = { 'x-api-key': apiKey }
  const ask: Running['ask'] = async (method, route, asked) =>
    await running.ask(method, route, { ...asked, headers: { ...headers, ...asked?.headers } })
  const keyed = { ...running, ask }
  const options = { webhook_secret: 'hush-1', webhook_config: { auth_token: 'hush-2' } }
  const job = await claimedJob(keyed, { task_options: options })
  const { job_id: id, lease_token: token } = job
  await ask('GET', `/remote-jobs/${id}/download`, { headers: { 'morag-lease': token } })
  await ask('GET', `/remote-jobs/${id}/download?token=${token}`)
  await ask('POST', `/remote-jobs/${id}/release`, { json: { lease_token: token } })
  const polled = await ask('GET', '/remote-jobs/poll?worker_id=old&content_types=audio')
  const url = String(polled.body['source_file_url'])
  await ask('GET', url.replace('/api/v1', ''))
  await running.ask('GET', url.replace('/api/v1', ''))
  await finish(keyed, { ...job, lease_token: `${token}x` })
  await ask('PUT', `/remote-jobs/${id}/result`, { json: { success: false } })
  await running.ask('GET', '/remote-jobs', { headers: { authorization: 'Bearer wrong-key' } })
  await running.stop()
  const logged = running.logged.join('\n')
  assert.match(logged, /job processing/)
  const query = new URL(url, 'http://x').searchParams.get('token')!
  const signatures = [token, query].map((one) => one.split('.')[1]!)
  for (const secret of [apiKey, 'wrong-key', ...signatures, 'hush', 'token='])
    assert.ok(!logged.includes(secret), secret)
})

describe('when it stops', () => {
  test('a call that waits is answered, its connection ended, and all is over in a moment', async (t) => {
    const running = await startRunning(t)
    const waiting = claim(running, { wait_seconds: 60 })
    await until(async () => (await running.ask('GET', '/health')).body['waiting_claims'] === 1)
    const at = performance.now()
    await running.stop()
    assert.deepEqual(await waiting, [])
    assert.ok(performance.now() - at < 3_000, `${performance.now() - at} ms`)
    await assert.rejects(fetch(`${running.url}/health`))
  })

  test('a download under way comes to its end first', async (t) => {
    const running = await startRunning(t)
    const content = 'x'.repeat(32 * 1024 * 1024)
    const file = running.file('large.wav', content)
    const job = await claimedJob(running, { source_file_path: file })
    const request = get(`${running.url}${job.source.url}`, {
      headers: { 'morag-lease': job.lease_token, connection: 'keep-alive' },
    })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    const at = performance.now()
    const stopped = running.stop()
    let size = 0
    for await (const chunk of answer) size += (chunk as Buffer).length
    assert.equal(size, content.length)
    await stopped
    assert.ok(performance.now() - at < 5_000)
  })
})
